import Autograd
import DataParallel
import Datasets
import Layers
import System
import Tensors

/// The loss, accuracy and metrics of a network on a split.
package struct Evaluation: Sendable {
  /// Mean over the samples.
  package var loss: Double
  /// Mean of the batches' mean losses, which notebooks print. It differs from `loss` if the last
  /// batch is smaller.
  package var lossBatchMean: Double
  /// The number of samples.
  package var count: Int
  /// nil if the accuracy rule is `none`.
  package var confusion: ConfusionMatrix?
  /// The values of the job's own metrics.
  package var metrics: [(name: String, value: Double)] = []

  package init(loss: Double, lossBatchMean: Double, count: Int, confusion: ConfusionMatrix?) {
    self.loss = loss
    self.lossBatchMean = lossBatchMean
    self.count = count
    self.confusion = confusion
  }

  package var correct: Int? { confusion?.correct }
  package var accuracy: Double? { confusion.map { Double($0.correct) / Double($0.total) } }
  /// The standard error of the accuracy p over N samples: sqrt(p (1 - p) / N). It assumes that each
  /// prediction is correct with the same probability p: the binomial distribution's standard
  /// deviation sqrt(N p (1 - p)), divided by N.
  package var standardError: Double? {
    guard let confusion, let p = accuracy else { return nil }
    return (p * (1 - p) / Double(confusion.total)).squareRoot()
  }

  /// Evaluates `module` on every sample of `data`, in order. The samples are read block by block.
  /// The module is in evaluation mode during the call and in training mode afterwards.
  ///
  /// The samples are split into blocks that do not depend on the number of threads. Each block is
  /// computed by one thread, and the results are added in block order. So the result has the same
  /// bits on any number of threads.
  /// - Parameters:
  ///   - data: a reader at the beginning of the split.
  ///   - batchSize: the batch size of `lossBatchMean`.
  ///   - observe: called for each block, in order, with its batch and outputs.
  package static func run(
    _ module: any Module, on data: SplitReader, job: TrainingJob, format: SampleFormat,
    threads: ShardThreads, observe: ((Batch, NamedTensors) throws -> Void)? = nil
  ) throws -> Evaluation {
    module.eval()
    defer { module.train() }
    let count = data.sampleCount
    let batchSize = min(job.batchSize, count)
    let blockSize = rowsPerBlock(batchSize: batchSize)
    var batchSums = [Double](repeating: 0, count: (count + batchSize - 1) / batchSize)
    let rule = job.accuracy(for: data.targetType)
    var confusion = rule == .none ? nil : ConfusionMatrix(classCount: rule.classCount)
    var metricCounts = MetricCounts()
    var next = 0
    while next < count {
      var blocks: [Block] = []
      while blocks.count < threads.count && next < count {
        // A block never spans parts of two batches: it holds whole batches, or a part of one.
        let end = batchSize > blockSize ? (next / batchSize + 1) * batchSize : count
        let rows = min(blockSize, end - next, count - next)
        blocks.append(Block(try data.read(rows, format), firstRow: next))
        next += rows
      }
      blocks.withUnsafeMutableBufferPointer { blocks in
        nonisolated(unsafe) let blocks = blocks
        threads.run(pieces: blocks.count) { index in
          noGrad {
            blocks[index].evaluate(
              module, batchSize: batchSize, loss: job.loss, rule: rule, metrics: job.metrics)
          }
        }
      }
      Progress.note()
      for block in blocks {
        for (batch, sum) in block.sums { batchSums[batch] += sum }
        if let part = block.confusion { confusion?.add(part) }
        if !block.metricCounts.isEmpty { metricCounts.add(block.metricCounts) }
        if let observe, let outputs = block.outputs { try observe(block.batch, outputs) }
      }
    }
    try data.finish()
    let means = batchSums.enumerated().map { batch, sum in
      sum / Double(min(batchSize, count - batch * batchSize))
    }
    var result = Evaluation(
      loss: batchSums.reduce(0, +) / Double(count),
      lossBatchMean: means.reduce(0, +) / Double(means.count), count: count, confusion: confusion)
    result.metrics = metricCounts.values(job.metrics)
    return result
  }

  /// Returns the number of rows in a block: several whole small batches, or a part of a large one.
  /// About 250 rows reach the kernels' full speed and need little memory.
  private static func rowsPerBlock(batchSize: Int) -> Int {
    batchSize > 256 ? 256 : 256 / batchSize * batchSize
  }

  private struct Block {
    let batch: Batch
    private let firstRow: Int
    private(set) var outputs: NamedTensors?
    /// The sum of the losses, for each batch.
    private(set) var sums: [(batch: Int, sum: Double)] = []
    private(set) var confusion: ConfusionMatrix?
    /// The counts of each metric.
    private(set) var metricCounts: [[Double]] = []

    init(_ batch: Batch, firstRow: Int) {
      self.batch = batch
      self.firstRow = firstRow
    }

    mutating func evaluate(
      _ module: any Module, batchSize: Int, loss: any Loss, rule: AccuracyRule,
      metrics: [any Metric]
    ) {
      let prediction = module(batch.inputs)
      outputs = prediction
      let rowCount = batch.sampleCount
      for start in stride(from: 0, to: rowCount, by: batchSize) {
        let rows = start..<min(start + batchSize, rowCount)
        let sum = loss(prediction.rows(rows), batch.targets.rows(rows), globalCount: 1)
        sums.append(((firstRow + start) / batchSize, sum.item()))
      }
      metricCounts = metrics.map { $0.counts(prediction, batch.targets) }
      guard rule != .none else { return }
      var confusion = ConfusionMatrix(classCount: rule.classCount)
      for (predicted, actual) in zip(
        rule.predicted(prediction.first), rule.actual(batch.targets.first))
      {
        confusion.add(predicted: predicted, actual: actual)
      }
      self.confusion = confusion
    }
  }
}

extension Checkpoint {
  /// Loads the parameters and buffers of a checkpoint into a network.
  /// - Throws: `Failure(.badData)` if a file is damaged or belongs to another network.
  package static func restore(_ path: String, into module: any Module) throws -> CheckpointState {
    let (state, model, _) = try load(path)
    try restore(model, into: module.namedState.map { ($0.name, $0.tensor) }, from: path)
    return state
  }
}
