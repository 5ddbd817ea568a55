import Communication
import DataParallel
import System
import Tensors

/// Checkpoints: what goes into them, and when. Root writes them beside the training.
extension Trainer {
  /// Checkpoints kept besides the best.
  private static let keptCheckpoints = 3

  /// Begins to save a checkpoint of the current step, unless that was begun already. Waits for the save
  /// before, if that is still under way, and for a copy to be made.
  ///
  /// A save that fails costs a warning: there is another at the next interval.
  ///
  /// Collective: every rank.
  func save() throws {
    guard begunStep != state.step else { return }
    try save(waits: false)
  }

  /// Saves the last step, unless it is saved already, and waits until all is written.
  ///
  /// Collective: every rank.
  /// - Throws: also the Failure of a save that fails.
  func saveLast() throws {
    let mine = try communicator.agree(on: "waiting for a checkpoint") { () -> Int64 in
      try noteOutcome()
      if savedStep == state.step, let directory {
        try Checkpoint.pointLinks(to: state, in: directory.checkpointsPath)
      }
      return Int64(savedStep)
    }
    // Root alone knows what came of its writes.
    savedStep = Int(try communicator.allreduceMax(mine))
    guard savedStep != state.step else { return }
    try save(waits: true)
    savedStep = state.step
  }

  /// - Parameter waits: until it is written, and throws where it is not.
  private func save(waits: Bool) throws {
    Progress.enter(.saving)
    var clock = Stopwatch()
    defer { timeNeeds.noteSave(clock.lap()) }
    try verifyReplicas()
    let states = try optimizer.state.map { ($0.name, try slices.gathered($0.arena)) }
    try communicator.agree(on: "saving a checkpoint") {
      try FaultPoint.visit("save", rank: communicator.rank, step: state.step)
      guard let directory else { return }
      let writer =
        writer ?? CheckpointWriter(directory: directory, keptCount: Trainer.keptCheckpoints)
      self.writer = writer
      try noteOutcome()
      // A checkpoint to go back to must not hold what one would want to go back from.
      try writer.begin(
        model: modelTensors, optimizer: optimizerTensors(states.map { ($0, $1!) }), state: state)
      guard waits, let outcome = writer.takeOutcome() else { return }
      let saved = try outcome.result.get()
      try note(saved, step: outcome.step)
      if let failure = saved.linkFailure { throw failure }
    }
    begunStep = state.step
  }

  /// Takes note of a save that was done since the last time, if one was. Looks only; root's alone.
  /// - Throws: RankFailure.
  func noteSaved() throws {
    guard writer?.hasOutcome == true else { return }
    do {
      try noteOutcome()
    } catch let failure as Failure {
      throw RankFailure(failure: failure)
    }
  }

  /// Waits for the save under way, if there is one, before the run ends for whatever reason.
  func endSaving() {
    do {
      try noteOutcome()
      try directory?.flush()
    } catch {
      // The run ends already, with something worse than a line that is missing.
      console.warning("\(Failure(error, during: "ending a run"))")
    }
  }

  /// Waits for the save under way, if there is one, and says what came of it.
  private func noteOutcome() throws {
    guard let outcome = writer?.takeOutcome() else { return }
    timeNeeds.noteSave(outcome.seconds)
    switch outcome.result {
    case .success(let saved):
      try note(saved, step: outcome.step)
      if let failure = saved.linkFailure {
        console.warning("\(failure.message); this is tried again at the next save")
      }
    case .failure(let failure):
      let last = savedStep >= 0 ? "; step \(savedStep) is the last that is saved" : ""
      console.warning(
        "step \(outcome.step) was not saved: \(failure.message); this is tried again at the next "
          + "interval\(last)")
    }
  }

  /// A checkpoint exists.
  private func note(_ saved: Checkpoint.Saved, step: Int) throws {
    savedStep = step
    for warning in saved.warnings { console.warning(warning) }
    var line = JSONLine(event: "checkpoint")
    line.add("step", step)
    line.add("path", saved.path)
    try directory?.append(line)
  }

  /// Parameters and buffers under their names and in the order of PyTorch's `state_dict()`; the
  /// parameters are views into the arena.
  var modelTensors: Checkpoint.Tensors {
    let tensors = Dictionary(
      uniqueKeysWithValues: layout.entries.map { ($0.name, layout.view($0, in: parameters)) }
        + buffers.named)
    return deal.workers[0].replica.module.namedState.map { ($0.name, tensors[$0.name]!) }
  }

  /// The optimizer's whole arenas, full of zeros where this rank has but a slice of them.
  func wholeOptimizerStates() -> [(name: String, arena: Tensor)] {
    slices.isSharded
      ? optimizer.state.map { ($0.name, Tensor(zeros: [layout.elementCount])) } : optimizer.state
  }

  /// The optimizer's whole arenas cut into tensors: "exp_avg.1.weight".
  func optimizerTensors(_ states: [(name: String, arena: Tensor)]) -> Checkpoint.Tensors {
    states.flatMap { state in
      layout.entries.map { ("\(state.name).\($0.name)", layout.view($0, in: state.arena)) }
    }
  }
}
