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

  /// Evaluates `module` on every sample of `data`, in order.
  ///
  /// The work is cut into fixed blocks of whole batches, each on one thread, and added up in their
  /// order: the number of threads changes no bit.
  /// - Parameters:
  ///   - data: one shard with everything.
  ///   - batchSize: for `lossBatchMean`.
  public static func run(
    _ module: any Module, on data: ShardedImages, job: TrainingJob, threads: ShardThreads
  ) -> Evaluation {
    let count = data.sampleCount
    let batchSize = min(job.batchSize, count)
    // About a thousand rows: enough for the kernels' full speed, little memory.
    let blockSize = max(1024 / batchSize, 1) * batchSize
    let blockCount = (count + blockSize - 1) / blockSize
    var blocks = [Block](repeating: Block(), count: blockCount)
    blocks.withUnsafeMutableBufferPointer { blocks in
      nonisolated(unsafe) let blocks = blocks
      threads.run(pieces: blockCount) { index in
        let rows = index * blockSize..<min((index + 1) * blockSize, count)
        blocks[index] = noGrad { evaluate(module, data, rows, batchSize: batchSize, job: job) }
      }
    }
    var total = Block()
    for block in blocks {
      total.lossSum += block.lossSum
      total.batchMeanSum += block.batchMeanSum
      total.correct += block.correct
    }
    return Evaluation(
      loss: total.lossSum / Double(count),
      lossBatchMean: total.batchMeanSum / Double((count + batchSize - 1) / batchSize),
      correct: total.correct, count: count)
  }

  private struct Block {
    var lossSum = 0.0
    var batchMeanSum = 0.0
    var correct = 0
  }

  private static func evaluate(
    _ module: any Module, _ data: ShardedImages, _ rows: Range<Int>, batchSize: Int,
    job: TrainingJob
  ) -> Block {
    let images = Tensor(uninitialized: Shape([rows.count] + job.inputShape))
    let labels = Tensor(uninitialized: [rows.count], .int64)
    let indices = rows.map(Int32.init)
    indices.withUnsafeBufferPointer {
      data.gather(
        shard: 0, local: $0, scale: job.pixelScale, images: images.pointer(Float.self),
        labels: labels.pointer(Int64.self))
    }
    let logits = module(images)
    var block = Block()
    block.correct = Kernels.countCorrect(logits, labels)
    for start in stride(from: 0, to: rows.count, by: batchSize) {
      let batch = start..<min(start + batchSize, rows.count)
      let sum = job.loss(logits.rows(batch), labels.rows(batch), globalCount: 1).item()
      block.lossSum += sum
      block.batchMeanSum += sum / Double(batch.count)
    }
    return block
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
