import Communication
import DataParallel
import System
import Tensors

/// Saves checkpoints, and logs the start and the end of a run.
extension Trainer {
  /// Starts to save a checkpoint of the current step, unless such a save was started already. Waits
  /// until the previous save is done and the state is copied; the copy is written in the
  /// background.
  ///
  /// A failed save only prints a warning, because the next interval saves again.
  ///
  /// Collective: every rank.
  func save() throws {
    guard recorder.begunStep != state.step else { return }
    try save(waits: false)
    try runHooks(.checkpoint, number: state.step)
  }

  /// Saves the last step, unless it is saved already. Waits until all files are written.
  ///
  /// Collective: every rank.
  /// - Throws: Failure, also if the save fails.
  func saveLast() throws {
    let mine = try world.agree(on: "waiting for a checkpoint") {
      Int64(try recorder.waitForSave(of: state, timeNeeds))
    }
    // Only root knows whether its writes succeeded.
    recorder.savedStep = Int(try world.allreduceMax(mine))
    guard recorder.savedStep != state.step else { return }
    try save(waits: true)
    recorder.savedStep = state.step
  }

  /// - Parameter waits: whether to wait until the checkpoint is written, and to throw if that
  ///   fails.
  private func save(waits: Bool) throws {
    Progress.enter(.saving)
    var clock = Stopwatch()
    defer { timeNeeds.noteSave(clock.lap()) }
    try recorder.save(engine, state, waits: waits, timeNeeds)
  }

  func announce() throws {
    guard world.isRoot else { return }
    var line = JSONLine(event: "start")
    line.add("recipe", job.name)
    line.add("parameters", parameterCount)
    line.add("ranks", world.worldSize)
    line.add("threads", engine.threads.count)
    line.add("shards", state.shards)
    line.add("host", world.hostName)
    line.add("samples", data.sampleCount)
    line.add("batch_size", job.batchSize)
    line.add("epochs", job.epochs)
    line.add("steps_per_epoch", data.stepsPerEpoch)
    line.add("step", state.step)
    try recorder.log(line)
    let console = recorder.console
    if let note = engine.reduction.note { console.line("note: \(note)") }
    console.line(
      "\(job.name): \(counted(parameterCount, "parameter")), "
        + "\(counted(data.sampleCount, "sample")), batch \(job.batchSize), "
        + "\(counted(job.epochs, "epoch")) of \(counted(data.stepsPerEpoch, "step")); "
        + "\(counted(world.worldSize, "rank")) x \(counted(engine.threads.count, "thread")), "
        + "\(counted(state.shards, "shard"))")
    console.line("run directory: \(options.runDirectory)")
    if state.step > 0 { console.line("resumed at step \(state.step) of \(totalSteps)") }
  }

  /// - Parameter isComplete: whether the run was complete before this launch.
  func finish(_ outcome: Outcome, isComplete: Bool, seconds: Double) throws {
    guard world.isRoot else { return }
    let (reason, text) =
      switch outcome {
      case .completed: ("completed", "done")
      case .reachedMaxSteps: ("max_steps", "reached --max-steps")
      case .stoppedEarly: ("early_stopping", "stopped early")
      case .stoppedByHook: ("hook", "stopped by a hook")
      case .stopped(let reason): ("stopped", "stopped by \(reason)")
      }
    var line = JSONLine(event: "end")
    line.add("reason", reason)
    line.add("steps", state.step)
    line.add("seconds", seconds)
    try recorder.log(line)
    try recorder.flush()
    let saved =
      recorder.savedStep == state.step && state.step > 0 ? ", saved step \(state.step)" : ""
    var best = ""
    if outcome == .stoppedEarly, let reached = state.best {
      best = ", nothing better since step \(reached.step)"
    }
    let console = recorder.console
    if isComplete { console.line("the run was complete already: no step was left to make") }
    console.line(
      "\(text) after \(fixed(seconds, 1)) s: step \(state.step) of \(totalSteps)\(best)\(saved)")
    console.line("the run is in \(options.runDirectory)")
  }
}
