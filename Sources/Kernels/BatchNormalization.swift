import CKernels
import System
import Tensors

/// The means and scales of each channel in float32, and the layout of x, for a batch normalization.
private struct ChannelFactors {
  let means, scales: [Float]
  let outer, channels, inner: Int

  init(_ x: Tensor, _ moments: Moments, _ epsilon: Double) {
    let layout = GroupLayout(channelsOf: x)
    (outer, channels, inner) = (layout.outer, layout.groups, layout.inner)
    means = moments.means.map { Float($0) }
    scales = moments.scales(epsilon).map { Float($0) }
  }
}

/// y = weight (x - mean) / sqrt(variance + epsilon) + bias by channel.
/// - x: [N, C, ...] float32.  weight, bias: [C] float32, or nil: 1 and 0.  Returns x's shape.
public func batchNormalized(
  _ x: Tensor, _ moments: Moments, weight: Tensor?, bias: Tensor?, epsilon: Double
) -> Tensor {
  let factors = ChannelFactors(x, moments, epsilon)
  let x = x.contiguous()
  let y = Tensor(uninitialized: x.shape)
  let weights = weight?.values(Float.self)
  let scales = factors.scales.enumerated().map { $1 * (weights?[$0] ?? 1) }
  let shifts = bias?.values(Float.self) ?? [Float](repeating: 0, count: factors.channels)
  nd_channel_affine(
    y.floats, x.floats, factors.means, scales, shifts, factors.outer, factors.channels,
    factors.inner)
  return y
}

/// The gradients through `batchNormalized`: with xhat = (x - mean) scale, scale = 1 / sqrt(variance
/// + epsilon), dweight = sum of dy xhat, dbias = sum of dy and dx = weight scale (dy - mean of dy -
/// xhat mean of (dy xhat)). Without `momentsAreOwn`, where the moments are not computed from x, the
/// two means are left out.
/// - dy, x: [N, C, ...] float32.  Returns dx of x's shape, dweight and dbias [C].
public func batchNormalizedBackward(
  _ dy: Tensor, x: Tensor, _ moments: Moments, weight: Tensor?, epsilon: Double,
  momentsAreOwn: Bool
) -> (dx: Tensor, dweight: Tensor, dbias: Tensor) {
  let (sums, products) = batchNormalizedGradientSums(dy, x: x, moments, epsilon: epsilon)
  let layout = GroupLayout(channelsOf: x)
  let count = Double(max(layout.groupCount, 1))
  func mean(_ sums: [Double]) -> [Double] { sums.map { momentsAreOwn ? $0 / count : 0 } }
  let dx = batchNormalizedGradient(
    dy, x: x, moments, weight: weight, epsilon: epsilon, meanGradients: mean(sums),
    meanProducts: mean(products))
  return (
    dx, Tensor(products.map { Float($0) }, shape: [layout.groups]),
    Tensor(sums.map { Float($0) }, shape: [layout.groups])
  )
}

/// The sums over each channel of dy and of dy xhat.
/// - dy, x: [N, C, ...] float32.
public func batchNormalizedGradientSums(
  _ dy: Tensor, x: Tensor, _ moments: Moments, epsilon: Double
) -> (sums: [Double], products: [Double]) {
  require(
    dy.shape == x.shape && dy.dtype == .float32,
    "batchNorm backward: \(dy.dtype) \(dy.shape) for \(x.dtype) \(x.shape)")
  let factors = ChannelFactors(x, moments, epsilon)
  let (dy, x) = (dy.contiguous(), x.contiguous())
  var sums = [Double](repeating: 0, count: factors.channels)
  var products = sums
  nd_channel_gradient_sums(
    &sums, &products, dy.floats, x.floats, factors.means, factors.scales, factors.outer,
    factors.channels, factors.inner)
  return (sums, products)
}

/// dx = weight scale (dy - mean of dy - xhat mean of (dy xhat)), with means given by channel.
/// - dy, x: [N, C, ...] float32.  Returns x's shape.
public func batchNormalizedGradient(
  _ dy: Tensor, x: Tensor, _ moments: Moments, weight: Tensor?, epsilon: Double,
  meanGradients: [Double], meanProducts: [Double]
) -> Tensor {
  let factors = ChannelFactors(x, moments, epsilon)
  let (dy, x) = (dy.contiguous(), x.contiguous())
  let dx = Tensor(uninitialized: x.shape)
  nd_channel_gradient(
    dx.floats, dy.floats, x.floats, factors.means, factors.scales,
    weight?.values(Float.self) ?? [Float](repeating: 1, count: factors.channels),
    meanGradients.map { Float($0) }, meanProducts.map { Float($0) }, factors.outer,
    factors.channels, factors.inner)
  return dx
}

/// The sums over each channel of x - mean and of its square, in double.
/// - x: [N, C, ...] float32.  means: C of them.
public func channelDeviations(
  _ x: Tensor, from means: [Double]
) -> (sums: [Double], squares: [Double]) {
  let layout = GroupLayout(channelsOf: x)
  let x = x.contiguous()
  var sums = [Double](repeating: 0, count: layout.groups)
  var squares = sums
  nd_channel_deviations(
    &sums, &squares, x.floats, means, layout.outer, layout.groups, layout.inner)
  return (sums, squares)
}
