import Communication
import DataParallel
import Datasets
import Layers
import Tensors

extension DataParallelStep {
  /// Evaluates the network on a split of the data, in a loop of one's own: root computes, and every rank gets the
  /// figures.
  ///
  /// Collective: every rank, with the same arguments.
  /// - Parameters:
  ///   - split: what is held out, or the training samples.
  ///   - data: the data that `trained` was made of.
  ///   - trained: this rank's shards, whose statistics standardize the inputs.
  /// - Throws: Failure, the same on every rank: `badData` where the data have no such split.
  public func evaluate(
    _ split: Split, of data: TrainingData, trained: ShardedData, loss: any Loss,
    metrics: [any Metric] = []
  ) throws -> EvaluationSummary {
    let engine = engine
    let summary = try engine.communicator.agree(on: "evaluating") { () -> EvaluationSummary? in
      guard engine.communicator.isRoot else { return nil }
      engine.loadBuffers()
      var job = TrainingJob(
        "loop", data: data, model: { engine.module }, loss: loss, batchSize: trained.batchSize)
      job.metrics = metrics
      let result = try Evaluation.run(
        engine.module, on: data.reader(split), job: job, format: trained.format,
        threads: engine.threads)
      return EvaluationSummary(result, split: split)
    }
    return try engine.communicator.broadcast(summary)!
  }
}

extension EvaluationSummary {
  init(_ result: Evaluation, split: Split) {
    self.init(
      split: split.rawValue, loss: result.loss, accuracy: result.accuracy,
      metrics: Dictionary(result.metrics.map { ($0.name, $0.value) }) { $1 })
  }
}
