import Kernels
import System
import Tensors

/// Where the shards of one global batch meet in the middle of a forward or backward pass. Each shard
/// has one of its own and runs on a thread of its own.
public protocol BatchSynchronizer: AnyObject {
  /// The sum of all shards' `values`, the same on each; returns when all of them have come.
  ///
  /// All shards call it equally often, with the same number of values each time.
  func sum(_ values: [Float]) -> [Float]
}

/// Batch norm with the moments of the global batch, of which x holds one shard's samples: as
/// `batchNorm(_:weight:bias:updating:)` of all shards' samples at once, of which this is the shard's
/// part. dweight and dbias are the shard's shares of the sums over all samples; dx takes in what x
/// does to the other shards' results.
///
/// The shards meet twice on the way forward (the sums for the mean; then those of the deviations
/// from it, for the variance and for what rounding left of the mean) and once on the way back.
/// - x: [N, C, ...] float32; N may be 0, and all shards' together at most 2^24.
/// - Source: Zhang and others, "Context encoding for semantic segmentation", 2018, section 3.
/// - Precondition: not just one value a channel in the global batch.
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
    let own = Kernels.batchNormalizedGradientSums(dy, x: input, moments, epsilon: epsilon)
    let (sums, products) = summed(own.sums, own.products, synchronizer)
    let dx = Kernels.batchNormalizedGradient(
      dy, x: input, moments, weight: scale, epsilon: epsilon,
      meanGradients: sums.map { $0 / count }, meanProducts: products.map { $0 / count })
    func tensor(_ sums: [Double]) -> Tensor {
      Tensor(sums.map { Float($0) }, shape: [sums.count])
    }
    return [dx] + (scale == nil ? [] : [tensor(own.products)])
      + (hasBias ? [tensor(own.sums)] : [])
  }
}

/// The moments of the global batch, and its values a channel.
private func globalMoments(
  _ x: Tensor, _ synchronizer: any BatchSynchronizer
) -> (moments: Moments, count: Double) {
  let channels = x.shape[1]
  let zeros = [Double](repeating: 0, count: channels)
  let own = Kernels.channelDeviations(x, from: zeros).sums
  let (sums, samples) = summed(own, [Double(x.shape[0])], synchronizer)
  let count = samples[0] * Double(x.shape.dropFirst(2).reduce(1, *))
  let rough = sums.map { $0 / count }
  let deviations = Kernels.channelDeviations(x, from: rough)
  let (rests, squares) = summed(deviations.sums, deviations.squares, synchronizer)
  let shifts = rests.map { $0 / count }
  let moments = Moments(
    means: zip(rough, shifts).map { $0 + $1 },
    variances: zip(squares, shifts).map { max($0 / count - $1 * $1, 0) })
  return (moments, count)
}

/// The sums of both over all shards.
private func summed(
  _ first: [Double], _ second: [Double], _ synchronizer: any BatchSynchronizer
) -> ([Double], [Double]) {
  let sums = synchronizer.sum((first + second).map { Float($0) }).map { Double($0) }
  return (Array(sums[..<first.count]), Array(sums[first.count...]))
}
