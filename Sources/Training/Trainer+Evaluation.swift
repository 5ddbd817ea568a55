import Communication
import DataParallel
import Datasets
import System
import Tensors

/// The results of an evaluation.
public struct EvaluationSummary: Codable, Sendable, Equatable {
  public let split: String
  /// Mean over the samples.
  public let loss: Double
  /// nil if the accuracy rule is `none`.
  public let accuracy: Double?
  /// The values of the job's metrics, by name.
  public let metrics: [String: Double]
}

/// Evaluates on root, while the other ranks wait.
extension Trainer {
  private enum Verdict: Int64 { case notBetter, best, outOfPatience }

  /// Evaluates on the held-out splits and logs the results. If they are the best so far, saves a
  /// checkpoint (unless saving is turned off), which becomes the best.
  ///
  /// Collective: every rank.
  /// - Returns: whether the run should stop early, because nothing improved for `patience`
  ///   evaluations.
  func evaluate(epoch: Int) throws -> Bool {
    let verdict = try world.agree(on: "evaluating") { () -> Verdict in
      try FaultPoint.visit("evaluate", rank: world.rank, step: state.step)
      guard world.isRoot else { return .notBetter }
      var verdict = Verdict.notBetter
      let splits = job.data.evaluationSplits
      for split in splits {
        engine.loadBuffers()
        var format = job.data.format
        format.standardize(state.standardization)
        let result = try Evaluation.run(
          engine.module, on: job.data.reader(split), job: job, format: format,
          threads: engine.threads)
        BufferPool.shared.trim()
        try recorder.log(result, split: split, epoch: epoch, epochs: job.epochs, step: state.step)
        guard split == splits[0] else { continue }
        lastEvaluation = EvaluationSummary(result, split: split)
        if note(result) {
          verdict = .best
        } else if let stopping = job.earlyStopping,
          state.evaluationsSinceBest >= stopping.patience
        {
          verdict = .outOfPatience
        }
      }
      return verdict
    }
    let agreed = try world.allreduceMax(verdict.rawValue)
    if agreed == Verdict.best.rawValue && options.checkpointEvery != 0 { try save() }
    if !hooks.isEmpty { lastEvaluation = try world.broadcast(lastEvaluation) }
    try runHooks(.evaluation, number: epoch)
    return agreed == Verdict.outOfPatience.rawValue
  }

  /// Records an evaluation on the first held-out split, which decides about the best checkpoint.
  /// Returns whether it is the best so far.
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
}
