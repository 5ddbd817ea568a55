import Autograd
import DataParallel
import Datasets
import Kernels
import Layers
import TensorCore

/// What a network makes of a split.
public struct Evaluation: Sendable, Equatable {
  /// Mean over the samples.
  public var loss: Double
  /// Mean of the batches' means, the figure that notebooks print; another number than `loss` where
  /// the last batch is smaller.
  public var lossBatchMean: Double
  public var correct: Int
  public var count: Int
  public var accuracy: Double { Double(correct) / Double(count) }

  /// Evaluates `module` on every sample of `data`, in order, reading it as it goes.
  ///
  /// The work is cut into fixed blocks of whole batches, each on one thread, and added up in their
  /// order: the number of threads changes no bit.
  /// - Parameters:
  ///   - data: the split, from its beginning.
  ///   - job: its batch size is that of `lossBatchMean`.
  public static func run(
    _ module: any Module, on data: ImageStream, job: TrainingJob, threads: ShardThreads
  ) throws -> Evaluation {
    let count = data.sampleCount
    let batchSize = min(job.batchSize, count)
    // Some 250 rows run at the kernels' full speed and take little memory.
    let blockSize = max(256 / batchSize, 1) * batchSize
    var total = Block()
    var next = 0
    while next < count {
      var blocks: [Block] = []
      while blocks.count < threads.count && next < count {
        blocks.append(try Block(reading: min(blockSize, count - next), from: data, job: job))
        next += blocks.last!.rowCount
      }
      blocks.withUnsafeMutableBufferPointer { blocks in
        nonisolated(unsafe) let blocks = blocks
        threads.run(pieces: blocks.count) { index in
          noGrad { blocks[index].evaluate(module, batchSize: batchSize, loss: job.loss) }
        }
      }
      for block in blocks { total.add(block) }
    }
    try data.finish()
    return Evaluation(
      loss: total.lossSum / Double(count),
      lossBatchMean: total.batchMeanSum / Double((count + batchSize - 1) / batchSize),
      correct: total.correct, count: count)
  }

  private struct Block {
    private var samples: (images: Tensor, labels: Tensor)?
    var lossSum = 0.0
    var batchMeanSum = 0.0
    var correct = 0

    init() {}

    init(reading count: Int, from data: ImageStream, job: TrainingJob) throws {
      let images = Tensor(uninitialized: Shape([count] + job.inputShape))
      let labels = Tensor(uninitialized: [count], .int64)
      try data.read(
        count, scale: job.pixelScale, images: images.pointer(Float.self),
        labels: labels.pointer(Int64.self))
      samples = (images, labels)
    }

    var rowCount: Int { samples?.labels.elementCount ?? 0 }

    mutating func evaluate(_ module: any Module, batchSize: Int, loss: any Loss) {
      guard let (images, labels) = samples else { return }
      let prediction = module(images)
      correct = Kernels.countCorrect(prediction, labels)
      for start in stride(from: 0, to: rowCount, by: batchSize) {
        let batch = start..<min(start + batchSize, rowCount)
        let sum = loss(prediction.rows(batch), labels.rows(batch), globalCount: 1).item()
        lossSum += sum
        batchMeanSum += sum / Double(batch.count)
      }
    }

    mutating func add(_ other: Block) {
      lossSum += other.lossSum
      batchMeanSum += other.batchMeanSum
      correct += other.correct
    }
  }
}

extension Checkpoint {
  /// Loads a checkpoint's weights into a network.
  /// - Throws: `Failure(.badData)` where the file is damaged or belongs to another network.
  public static func restore(_ path: String, into module: any Module) throws -> CheckpointState {
    let (state, model, _) = try load(path)
    try restore(model, into: module.namedParameters.map { ($0.name, $0.tensor) }, from: path)
    return state
  }
}
