import Communication
import DataParallel
import Datasets
import Foundation
import System
import Tensors

/// What root does for all: the run directory, evaluation, checkpoints, the log.
extension Trainer {
  /// Opens and locks a run directory that holds a run, and loads its newest checkpoint that
  /// verifies. On other ranks, and for a new run, nothing.
  static func openExisting(
    _ options: RunOptions, communicator: Communicator, console: Console
  ) throws -> (RunDirectory?, LoadedCheckpoint?) {
    guard communicator.isRoot else { return (nil, nil) }
    try RunDirectory.check(options.runDirectory, resume: options.resume)
    guard RunDirectory.holdsRun(options.runDirectory) else { return (nil, nil) }
    let directory = try RunDirectory(opening: options.runDirectory, resume: options.resume)
    let loaded = try Checkpoint.newest(in: directory.checkpointsPath) { name, failure in
      console.warning("passed over \(name): \(failure.message)")
    }
    // A crash may have come between a checkpoint and its links.
    if let loaded { try Checkpoint.pointLinks(to: loaded.state, in: directory.checkpointsPath) }
    return (directory, loaded)
  }

  /// Evaluates on the splits that are held out, logs it, and makes the checkpoint of this step the
  /// best if it is.
  ///
  /// Collective: every rank.
  /// - Returns: whether the run is to end, as nothing got better for long enough.
  func evaluate(epoch: Int) throws -> Bool {
    enum Verdict: Int64 { case noBetter, best, enough }
    let verdict = try communicator.agree(on: "evaluating") { () -> Verdict in
      try FaultPoint.visit("evaluate", rank: communicator.rank, step: state.step)
      guard communicator.isRoot else { return .noBetter }
      var verdict = Verdict.noBetter
      let splits = job.data.evaluationSplits
      for split in splits {
        let replica = deal.workers[0].replica
        replica.load(buffers)
        var format = job.data.format
        format.standardize(state.standardization)
        let result = try Evaluation.run(
          replica.module, on: job.data.reader(split), job: job, format: format, threads: threads)
        BufferPool.shared.trim()
        try log(result, split: split, epoch: epoch)
        guard split == splits[0] else { continue }
        if note(result) {
          verdict = .best
        } else if let stopping = job.earlyStopping,
          state.evaluationsSinceBest >= stopping.patience
        {
          verdict = .enough
        }
      }
      return verdict
    }
    let agreed = try communicator.allreduceMax(verdict.rawValue)
    if agreed == Verdict.best.rawValue && options.checkpointEvery != 0 { try save() }
    return agreed == Verdict.enough.rawValue
  }

  private func log(_ result: Evaluation, split: Split, epoch: Int) throws {
    var line = JSONLine(event: "eval")
    line.add("epoch", epoch)
    line.add("step", state.step)
    line.add("split", split.rawValue)
    line.add("loss", result.loss)
    line.add("loss_batch_mean", result.lossBatchMean)
    var accuracyText = ""
    if let confusion = result.confusion, let accuracy = result.accuracy {
      line.add("accuracy", accuracy)
      line.add("correct", confusion.correct)
      line.add("count", confusion.total)
      accuracyText =
        " accuracy \(fixed(accuracy * 100, 2)) % (\(confusion.correct) of \(confusion.total)),"
    } else {
      line.add("count", result.count)
    }
    try directory?.append(line)
    console.line(
      "Epoch \(epoch)/\(job.epochs): \(split.rawValue)\(accuracyText) loss "
        + "\(fixed(result.loss, 6)), step \(state.step)")
  }

  /// Takes note of an evaluation on the split that decides. Returns whether it is the best so far.
  private func note(_ result: Evaluation) -> Bool {
    let monitor = job.earlyStopping?.monitor ?? (result.confusion == nil ? .loss : .accuracy)
    let delta = job.earlyStopping?.minimumDelta ?? 0
    let value = monitor == .accuracy ? result.accuracy ?? 0 : result.loss
    let isBetter =
      switch (monitor, state.best?.value) {
      case (_, nil): value.isFinite
      case (.accuracy, let best?): value > best + delta
      case (.loss, let best?): value < best - delta
      }
    state.evaluationsSinceBest = isBetter ? 0 : state.evaluationsSinceBest + 1
    if isBetter { state.best = .init(metric: monitor.rawValue, value: value, step: state.step) }
    return isBetter
  }

  func announce() throws {
    guard communicator.isRoot, let directory else { return }
    var line = JSONLine(event: "start")
    line.add("recipe", job.name)
    line.add("parameters", parameterCount)
    line.add("ranks", communicator.worldSize)
    line.add("threads", options.threads)
    line.add("shards", state.shards)
    line.add("host", communicator.hostName)
    line.add("samples", deal.order.sampleCount)
    line.add("batch_size", job.batchSize)
    line.add("epochs", job.epochs)
    line.add("steps_per_epoch", deal.order.stepsPerEpoch)
    line.add("step", state.step)
    try log(line)
    console.line(
      "\(job.name): \(counted(parameterCount, "parameter")), "
        + "\(counted(deal.order.sampleCount, "sample")), batch \(job.batchSize), \(counted(job.epochs, "epoch")) of "
        + "\(counted(deal.order.stepsPerEpoch, "step")); "
        + "\(counted(communicator.worldSize, "rank")) x \(counted(options.threads, "thread")), "
        + "\(counted(state.shards, "shard"))")
    console.line("run directory: \(directory.path)")
    if state.step > 0 { console.line("resumed at step \(state.step) of \(totalSteps)") }
  }

  /// - Parameter isComplete: there was nothing to do.
  func finish(_ outcome: Outcome, isComplete: Bool, seconds: Double) throws {
    guard communicator.isRoot, let directory else { return }
    var line = JSONLine(event: "end")
    let text: String
    switch outcome {
    case .completed: (_, text) = (line.add("reason", "completed"), "done")
    case .reachedMaxSteps: (_, text) = (line.add("reason", "max_steps"), "reached --max-steps")
    case .stoppedEarly:
      (_, text) = (line.add("reason", "early_stopping"), "stopped early")
    case .stopped(let reason):
      (_, text) = (line.add("reason", "stopped"), "stopped by \(reason)")
    }
    line.add("steps", state.step)
    line.add("seconds", seconds)
    try log(line)
    do {
      try directory.flush()
    } catch let failure as Failure {
      throw RankFailure(failure: failure)
    }
    let saved = savedStep == state.step && savedStep > 0 ? ", saved step \(savedStep)" : ""
    var best = ""
    if outcome == .stoppedEarly, let reached = state.best {
      best = ", nothing better since step \(reached.step)"
    }
    if isComplete { console.line("the run was complete already: no step was left to make") }
    console.line(
      "\(text) after \(fixed(seconds, 1)) s: step \(state.step) of \(totalSteps)\(best)\(saved)")
    console.line("the run is in \(directory.path)")
  }

  /// Appends to metrics.jsonl, at a moment that no agreement follows.
  func log(_ line: JSONLine) throws {
    do {
      try directory?.append(line)
    } catch let failure as Failure {
      throw RankFailure(failure: failure)
    }
  }
}

extension Communicator {
  /// Root's state on every rank; nil where root has none.
  func broadcast(state: CheckpointState?) throws -> CheckpointState? {
    let bytes = try broadcast(
      isRoot ? Array(state.map { try JSONEncoder().encode($0) } ?? Data()) : [])
    return bytes.isEmpty ? nil : try JSONDecoder().decode(CheckpointState.self, from: Data(bytes))
  }

  /// Root's arenas on every rank.
  func broadcast(arenas: [ReplicatedArena]) throws {
    for arena in arenas.map(\.arena) {
      try broadcast(
        UnsafeMutableRawBufferPointer(
          start: arena.rawPointer, count: arena.elementCount * arena.dtype.byteCount), from: root)
    }
  }
}
