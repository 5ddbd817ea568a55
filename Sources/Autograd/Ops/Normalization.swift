import Kernels
import System
import Tensors

/// The running mean and variance that batch norm collects over batches.
public struct RunningStatistics {
  /// [C], contiguous.
  public let mean, variance: Tensor

  public init(mean: Tensor, variance: Tensor) {
    self.mean = mean
    self.variance = variance
  }

  /// Updates with a batch: each statistic becomes (1 - momentum) times itself + momentum times that
  /// of the batch, with the unbiased variance (over count - 1).
  func update(with moments: Moments, count: Double, momentum: Double) {
    Kernels.blend(mean, with: moments.means, momentum: momentum)
    let unbiased = count / (count - 1)
    Kernels.blend(variance, with: moments.variances.map { $0 * unbiased }, momentum: momentum)
  }
}

/// y = weight xhat + bias by channel, xhat = (x - mean) / sqrt(variance + epsilon), with the
/// moments of this batch (over n elements for each channel);  dweight = sum of dy xhat,  dbias =
/// sum of dy, dx = (dxhat - mean of dxhat - xhat mean of (dxhat xhat)) / sqrt(variance + epsilon),
/// dxhat = weight dy.
///
/// The running statistics are updated with the weight `momentum` of the batch's mean and of its
/// unbiased variance (over n - 1), as in PyTorch. An empty batch gives an empty result and leaves
/// the statistics unchanged.
/// - x: [N, C, ...].  weight, bias: [C], or nil: 1 and 0.  Returns x's shape.
/// - Source: Ioffe and Szegedy, "Batch normalization", 2015.
/// - Precondition: not exactly one value for each channel.
public func batchNorm(
  _ x: Tensor, weight: Tensor?, bias: Tensor?, updating running: RunningStatistics? = nil,
  momentum: Double = 0.1, epsilon: Double = 1e-5
) -> Tensor {
  requireChannels(x, [weight, bias, running?.mean, running?.variance])
  let count = x.shape[0] * x.shape.dropFirst(2).reduce(1, *)
  require(
    count != 1,
    "batchNorm: training needs more than one value per channel, and input \(x.shape) has \(count); "
      + "use a larger batch, or eval()")
  let moments = Moments(ofChannels: x.value)
  if let running, count > 0 {
    running.update(with: moments, count: Double(count), momentum: momentum)
  }
  if x.dtype == .float32 {
    return fusedBatchNorm(x, moments, weight, bias, epsilon, usesBatchMoments: true)
  }
  let xhat = Kernels.normalizedChannels(x.value, moments, epsilon: epsilon)
  let normalized = record("normalizeChannels", inputs: [x], value: xhat) { dy in
    [Kernels.normalizedChannelsBackward(dy, xhat: xhat, moments, epsilon: epsilon)]
  }
  return affineChannels(normalized, weight, bias)
}

/// Computes normalization, weight and bias in one pass, and their gradients in two. It saves only
/// x.
/// - usesBatchMoments: whether `moments` are those of x, and not the running statistics.
private func fusedBatchNorm(
  _ x: Tensor, _ moments: Moments, _ weight: Tensor?, _ bias: Tensor?, _ epsilon: Double,
  usesBatchMoments: Bool
) -> Tensor {
  let (input, scale) = (x.value, weight?.value)
  let y = Kernels.batchNormalized(
    input, moments, weight: scale, bias: bias?.value, epsilon: epsilon)
  let hasBias = bias != nil
  return record("batchNorm", inputs: [x] + [weight, bias].compactMap { $0 }, value: y) { dy in
    let (dx, dweight, dbias) = Kernels.batchNormalizedBackward(
      dy, x: input, moments, weight: scale, epsilon: epsilon, momentsAreOwn: usesBatchMoments)
    return [dx] + (scale == nil ? [] : [dweight]) + (hasBias ? [dbias] : [])
  }
}

/// Batch norm with the running statistics instead of the moments of the batch. The statistics do
/// not change;  dx = weight dy / sqrt(variance + epsilon).
public func batchNorm(
  _ x: Tensor, weight: Tensor?, bias: Tensor?, using running: RunningStatistics,
  epsilon: Double = 1e-5
) -> Tensor {
  requireChannels(x, [weight, bias, running.mean, running.variance])
  // A copy: the statistics may change before the backward pass.
  let moments = Moments(
    means: Kernels.converted(running.mean, to: .float64).values(Double.self),
    variances: Kernels.converted(running.variance, to: .float64).values(Double.self))
  if x.dtype == .float32 {
    return fusedBatchNorm(x, moments, weight, bias, epsilon, usesBatchMoments: false)
  }
  let zeroMeans = Moments(
    means: moments.means.map { _ in 0 }, variances: moments.variances)
  let xhat = Kernels.normalizedChannels(x.value, moments, epsilon: epsilon)
  let normalized = record("normalizeChannels", inputs: [x], value: xhat) { dy in
    [Kernels.normalizedChannels(dy, zeroMeans, epsilon: epsilon)]
  }
  return affineChannels(normalized, weight, bias)
}

/// y = weight xhat + bias over the last axes of x, which are `shape`; xhat = (x - mean) /
/// sqrt(variance + epsilon), with the moments of each sample over these axes. The gradients are
/// those of batch norm.
/// - x: [..., shape].  weight, bias: `shape`, or nil: 1 and 0.  Returns x's shape.
/// - Source: Ba, Kiros and Hinton, "Layer normalization", 2016.
public func layerNorm(
  _ x: Tensor, over shape: Shape, weight: Tensor?, bias: Tensor?, epsilon: Double = 1e-5
) -> Tensor {
  require(
    x.axisCount >= shape.count && Array(x.shape.suffix(shape.count)) == Array(shape),
    "layerNorm: input \(x.shape) does not end in the normalized shape \(shape)")
  for parameter in [weight, bias].compactMap({ $0 }) {
    require(
      parameter.shape == shape, "layerNorm: a parameter of shape \(parameter.shape) for \(shape)")
  }
  let width = shape.elementCount
  let moments = Moments(ofRows: x.value, width: width)
  let xhat = Kernels.normalizedRows(x.value, width: width, moments, epsilon: epsilon)
  var y = record("normalizeRows", inputs: [x], value: xhat) { dy in
    [Kernels.normalizedRowsBackward(dy, xhat: xhat, width: width, moments, epsilon: epsilon)]
  }
  if let weight { y = y * weight }
  if let bias { y = y + bias }
  return y
}

/// y = weight x + bias by channel;  dx = weight dy,  dweight = sum of dy x,  dbias = sum of dy.
private func affineChannels(_ x: Tensor, _ weight: Tensor?, _ bias: Tensor?) -> Tensor {
  let shape = Shape([x.shape[1]] + [Int](repeating: 1, count: x.axisCount - 2))
  var y = x
  if let weight { y = y * weight.reshaped(shape) }
  if let bias { y = y + bias.reshaped(shape) }
  return y
}

/// Requires an axis of channels in x, and parameters [C].
func requireChannels(_ x: Tensor, _ parameters: [Tensor?]) {
  require(
    x.axisCount >= 2, "batchNorm: input \(x.shape) has no channels; it must be [N, C, ...]")
  for parameter in parameters.compactMap({ $0 }) {
    require(
      parameter.shape == [x.shape[1]],
      "batchNorm: input \(x.shape) has \(x.shape[1]) channels, the layer \(parameter.shape)")
  }
}
