import Kernels
import System
import Tensors

/// Sums values over the shards of one global batch in the middle of a forward or backward pass.
/// Each shard has its own synchronizer and runs on its own thread.
public protocol BatchSynchronizer: AnyObject {
  /// Returns the sum of the `values` of all shards, the same on each shard. Waits until all shards
  /// have called it.
  ///
  /// All shards must make the same number of calls, with the same number of values in each call.
  func sum(_ values: [Float]) -> [Float]
}

/// Batch norm with the moments of the global batch, where x has the samples of one shard. The
/// result is this shard's part of `batchNorm(_:weight:bias:updating:)` of the samples of all
/// shards. dweight and dbias are this shard's parts of the sums over all samples; dx includes the
/// effect of x on the results of the other shards.
///
/// The shards synchronize twice in the forward pass: first the sums for the mean, then the
/// deviations from it, for the variance and to correct the rounding error of the mean. They
/// synchronize once in the backward pass.
/// - x: [N, C, ...] float32; N may be 0, and the sum of N over all shards is at most 2^24.
/// - Source: Zhang and others, "Context encoding for semantic segmentation", 2018, section 3.
/// - Precondition: not exactly one value for each channel in the global batch.
public func batchNorm(
  _ x: Tensor, weight: Tensor?, bias: Tensor?, updating running: RunningStatistics? = nil,
  momentum: Double = 0.1, epsilon: Double = 1e-5, over synchronizer: any BatchSynchronizer
) -> Tensor {
  requireChannels(x, [weight, bias, running?.mean, running?.variance])
  require(x.dtype == .float32, "batchNorm over shards: input of \(x.dtype), not float32")
  let (moments, count) = globalMoments(x.value, synchronizer)
  require(
    count != 1,
    "batchNorm: training needs more than one value per channel, and the global batch has one; use a "
      + "larger batch, or eval()")
  if let running, count > 0 {
    running.update(with: moments, count: count, momentum: momentum)
  }
  let (input, scale) = (x.value, weight?.value)
  let y = Kernels.batchNormalized(
    input, moments, weight: scale, bias: bias?.value, epsilon: epsilon)
  let hasBias = bias != nil
  return record("batchNorm", inputs: [x] + [weight, bias].compactMap { $0 }, value: y) { dy in
    let local = Kernels.batchNormalizedGradientSums(dy, x: input, moments, epsilon: epsilon)
    let (sums, products) = summedOverShards(local.sums, local.products, synchronizer)
    let dx = Kernels.batchNormalizedGradient(
      dy, x: input, moments, weight: scale, epsilon: epsilon,
      meanGradients: sums.map { $0 / count }, meanProducts: products.map { $0 / count })
    func tensor(_ sums: [Double]) -> Tensor {
      Tensor(sums.map { Float($0) }, shape: [sums.count])
    }
    return [dx] + (scale == nil ? [] : [tensor(local.products)])
      + (hasBias ? [tensor(local.sums)] : [])
  }
}

/// The moments of the global batch, and its number of values for each channel.
private func globalMoments(
  _ x: Tensor, _ synchronizer: any BatchSynchronizer
) -> (moments: Moments, count: Double) {
  let channels = x.shape[1]
  let zeros = [Double](repeating: 0, count: channels)
  let local = Kernels.channelDeviations(x, from: zeros).sums
  let (sums, samples) = summedOverShards(local, [Double(x.shape[0])], synchronizer)
  let count = samples[0] * Double(x.shape.dropFirst(2).reduce(1, *))
  let approximateMeans = sums.map { $0 / count }
  let deviations = Kernels.channelDeviations(x, from: approximateMeans)
  let (residuals, squares) = summedOverShards(deviations.sums, deviations.squares, synchronizer)
  let corrections = residuals.map { $0 / count }
  let moments = Moments(
    means: zip(approximateMeans, corrections).map { $0 + $1 },
    variances: zip(squares, corrections).map { max($0 / count - $1 * $1, 0) })
  return (moments, count)
}

/// The sums of both arrays over all shards.
private func summedOverShards(
  _ first: [Double], _ second: [Double], _ synchronizer: any BatchSynchronizer
) -> ([Double], [Double]) {
  let sums = synchronizer.sum((first + second).map { Float($0) }).map { Double($0) }
  return (Array(sums[..<first.count]), Array(sums[first.count...]))
}
