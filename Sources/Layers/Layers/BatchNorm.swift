import Autograd
import System
import Tensors

/// A batch norm layer.
public protocol BatchNormLayer: GlobalBatchLayer {
  var core: BatchNormCore { get }
}

extension BatchNormLayer {
  public var seesGlobalBatch: Bool { core.isSynchronized }
  /// Either two sums for each channel; or one for each channel, and the number of samples.
  public var maximumSumCount: Int { max(2 * core.channels, 2) }
  public var synchronizer: (any BatchSynchronizer)? {
    get { core.synchronizer }
    set { core.synchronizer = newValue }
  }
  public func visit(_ v: inout Visitor) { core.visit(&v) }
  public func setMode(isTraining: Bool) { core.isTraining = isTraining }
  public var typeName: String {
    core.isSynchronized ? "SyncBatchNorm" : String(describing: type(of: self))
  }
  public var extraDescription: String { core.extraDescription }
}

/// y = weight (x - mean) / sqrt(variance + epsilon) + bias for each channel. Training mode uses the
/// mean and variance of the batch, evaluation mode the running ones.
/// - Input and output [N, C] or [N, C, L].
public final class BatchNorm1d: Module, BatchNormLayer {
  public let core: BatchNormCore

  /// - momentum: the weight of a new batch in the running statistics; nil averages all batches
  ///   equally.
  /// - isSynchronized: whether the statistics are over the global batch of a trainer, not over a
  ///   shard's part of it.
  public init(
    _ channels: Int, epsilon: Double = 1e-5, momentum: Double? = 0.1, affine: Bool = true,
    tracksStatistics: Bool = true, isSynchronized: Bool = false
  ) {
    core = BatchNormCore(channels, epsilon, momentum, affine, tracksStatistics, isSynchronized)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    require(
      x.axisCount == 2 || x.axisCount == 3,
      "BatchNorm1d: input \(x.shape) must be [N, C] or [N, C, L]; BatchNorm2d takes images")
    return core(x)
  }
}

/// Batch norm as in BatchNorm1d, for images.
/// - Input and output [N, C, H, W].
public final class BatchNorm2d: Module, BatchNormLayer {
  public let core: BatchNormCore

  /// - momentum: the weight of a new batch in the running statistics; nil averages all batches
  ///   equally.
  /// - isSynchronized: whether the statistics are over the global batch of a trainer, not over a
  ///   shard's part of it.
  public init(
    _ channels: Int, epsilon: Double = 1e-5, momentum: Double? = 0.1, affine: Bool = true,
    tracksStatistics: Bool = true, isSynchronized: Bool = false
  ) {
    core = BatchNormCore(channels, epsilon, momentum, affine, tracksStatistics, isSynchronized)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    require(
      x.axisCount == 4,
      "BatchNorm2d: input \(x.shape) must be [N, C, H, W]; BatchNorm1d takes [N, C]")
    return core(x)
  }
}

/// The implementation that BatchNorm1d and BatchNorm2d share.
public final class BatchNormCore {
  public let channels: Int
  public let epsilon: Double
  public let momentum: Double?
  public let weight, bias: Tensor?  // [C]
  public let runningMean, runningVariance: Tensor?  // [C]
  public let batchesTracked: Tensor?  // int64, no axes
  /// Whether the statistics are over the global batch of a trainer, not over a shard's part of it.
  public let isSynchronized: Bool
  /// Adds values over the shards in training; nil if this shard's samples are the whole batch.
  public var synchronizer: (any BatchSynchronizer)?
  public fileprivate(set) var isTraining = true

  fileprivate init(
    _ channels: Int, _ epsilon: Double, _ momentum: Double?, _ affine: Bool,
    _ tracksStatistics: Bool, _ isSynchronized: Bool
  ) {
    self.channels = channels
    self.epsilon = epsilon
    self.momentum = momentum
    self.isSynchronized = isSynchronized
    weight = affine ? newParameter([channels]) : nil
    bias = affine ? newParameter([channels]) : nil
    weight?.initialize(.ones, seed: 0)
    let ones = [Float](repeating: 1, count: channels)
    runningMean = tracksStatistics ? Tensor(zeros: [channels]) : nil
    runningVariance = tracksStatistics ? Tensor(ones, shape: [channels]) : nil
    batchesTracked = tracksStatistics ? Tensor(scalar: Int64(0)) : nil
  }

  fileprivate func visit(_ v: inout Visitor) {
    if let weight { v("weight", weight, .ones) }
    if let bias { v("bias", bias, .zeros) }
    if let runningMean { v.buffer("running_mean", runningMean) }
    if let runningVariance { v.buffer("running_var", runningVariance) }
    if let batchesTracked { v.buffer("num_batches_tracked", batchesTracked) }
  }

  fileprivate func callAsFunction(_ x: Tensor) -> Tensor {
    guard let runningMean, let runningVariance, let batchesTracked else {
      return normalized(x, updating: nil, momentum: 0)
    }
    let running = RunningStatistics(mean: runningMean, variance: runningVariance)
    guard isTraining else {
      return batchNorm(x, weight: weight, bias: bias, using: running, epsilon: epsilon)
    }
    let count = batchesTracked.pointer(Int64.self)
    count.pointee += 1
    return normalized(x, updating: running, momentum: momentum ?? 1 / Double(count.pointee))
  }

  /// Normalizes with the mean and variance of the batch.
  private func normalized(
    _ x: Tensor, updating running: RunningStatistics?, momentum: Double
  ) -> Tensor {
    if isTraining, let synchronizer {
      return batchNorm(
        x, weight: weight, bias: bias, updating: running, momentum: momentum, epsilon: epsilon,
        over: synchronizer)
    }
    return batchNorm(
      x, weight: weight, bias: bias, updating: running, momentum: momentum, epsilon: epsilon)
  }

  fileprivate var extraDescription: String {
    "\(channels), eps=\(epsilon), momentum=\(momentum.map(pythonNumber) ?? "None"), "
      + "affine=\(pythonFlag(weight != nil)), bias=\(pythonFlag(bias != nil)), "
      + "track_running_stats=\(pythonFlag(runningMean != nil))"
  }
}
