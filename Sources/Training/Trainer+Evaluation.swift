import Communication
import DataParallel
import Datasets
import System
import Tensors

/// The figures of an evaluation.
public struct EvaluationSummary: Codable, Sendable, Equatable {
  public let split: String
  /// Mean over the samples.
  public let loss: Double
  /// nil where nothing is right or wrong.
  public let accuracy: Double?
  /// The values of the job's metrics, by name.
  public let metrics: [String: Double]
}

/// Root evaluates; the other ranks wait.
extension Trainer {
  private enum Verdict: Int64 { case noBetter, best, enough }

  /// Evaluates on the splits that are held out, logs it, and makes the checkpoint of this step the
  /// best if it is.
  ///
  /// Collective: every rank.
  /// - Returns: whether the run is to end, as nothing improved for long enough.
  func evaluate(epoch: Int) throws -> Bool {
    let verdict = try world.agree(on: "evaluating") { () -> Verdict in
      try FaultPoint.visit("evaluate", rank: world.rank, step: state.step)
      guard world.isRoot else { return .noBetter }
      var verdict = Verdict.noBetter
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
        lastEvaluation = EvaluationSummary(
          split: split.rawValue, loss: result.loss, accuracy: result.accuracy,
          metrics: Dictionary(uniqueKeysWithValues: result.metrics.map { ($0.name, $0.value) }))
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
    let agreed = try world.allreduceMax(verdict.rawValue)
    if agreed == Verdict.best.rawValue && options.checkpointEvery != 0 { try save() }
    if !hooks.isEmpty { lastEvaluation = try world.broadcast(lastEvaluation) }
    try runHooks(.evaluation, number: epoch)
    return agreed == Verdict.enough.rawValue
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
}
