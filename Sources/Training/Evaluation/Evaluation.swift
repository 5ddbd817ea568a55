import Autograd
import DataParallel
import Datasets
import Layers
import System
import Tensors

/// What a network makes of a split.
package struct Evaluation: Sendable {
  /// Mean over the samples.
  package var loss: Double
  /// Mean of the batches' means, the figure that notebooks print; another number than `loss` where
  /// the last batch is smaller.
  package var lossBatchMean: Double
  /// Samples.
  package var count: Int
  /// nil where nothing is right or wrong.
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
  /// Of the accuracy, if each decision is right with the same probability p: sqrt(p (1 - p) / N), the
  /// binomial distribution's sqrt(N p (1 - p)) over N.
  package var standardError: Double? {
    guard let confusion, let p = accuracy else { return nil }
    return (p * (1 - p) / Double(confusion.total)).squareRoot()
  }

  /// Evaluates `module` on every sample of `data`, in order, reading it as it goes. The module is in
  /// evaluation mode meanwhile and in training mode afterwards.
  ///
  /// The work is cut into fixed blocks of whole batches, each on one thread, and added up in their
  /// order: the number of threads changes no bit.
  /// - Parameters:
  ///   - data: the split, from its beginning.
  ///   - batchSize: that of `lossBatchMean`.
  ///   - observe: called for each block in order: its batch and outputs.
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
        // A block ends where a batch does, or within one.
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

  /// Some 250 rows run at the kernels' full speed and take little memory: whole small batches, or
  /// parts of large ones.
  private static func rowsPerBlock(batchSize: Int) -> Int {
    batchSize > 256 ? 256 : 256 / batchSize * batchSize
  }

  private struct Block {
    let batch: Batch
    private let firstRow: Int
    private(set) var outputs: NamedTensors?
    /// The losses' sums by batch.
    private(set) var sums: [(batch: Int, sum: Double)] = []
    private(set) var confusion: ConfusionMatrix?
    /// By metric.
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
  /// Loads a checkpoint's weights and buffers into a network.
  /// - Throws: `Failure(.badData)` where the file is damaged or belongs to another network.
  package static func restore(_ path: String, into module: any Module) throws -> CheckpointState {
    let (state, model, _) = try load(path)
    try restore(model, into: module.namedState.map { ($0.name, $0.tensor) }, from: path)
    return state
  }
}
