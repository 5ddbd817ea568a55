import CKernels
import System
import Tensors

// Both normalizations view x as [outer, groups, inner] and normalize every group separately. In
// batch normalization a group is a channel, over all images and places; in layer normalization it
// is a sample.

/// The mean and the variance (divided by n, not n - 1) of every group, in double.
public struct Moments {
  public let means, variances: [Double]

  public init(means: [Double], variances: [Double]) {
    self.means = means
    self.variances = variances
  }

  /// The moments of every channel of x [N, C, ...].
  public init(ofChannels x: Tensor) {
    let layout = GroupLayout(channelsOf: x)
    if x.dtype == .float32 {
      var means = [Double](repeating: 0, count: layout.groups)
      var variances = means
      let x = x.contiguous()
      nd_channel_moments(
        &means, &variances, x.floats, layout.outer, layout.groups, layout.inner)
      self.init(means: means, variances: variances)
      return
    }
    self = withReal(
      "batchNorm", x.dtype, { Moments(x.contiguous(), layout, Float.self) },
      { Moments(x.contiguous(), layout, Double.self) })
  }

  /// The moments of every run of `width` elements of x.
  public init(ofRows x: Tensor, width: Int) {
    let layout = GroupLayout(rowsOf: x, width: width)
    self = withReal(
      "layerNorm", x.dtype, { Moments(x.contiguous(), layout, Float.self) },
      { Moments(x.contiguous(), layout, Double.self) })
  }

  private init<T: RealScalar>(_ x: Tensor, _ layout: GroupLayout, _: T.Type) {
    let source = x.pointer(T.self)
    var (means, variances) = ([Double](), [Double]())
    for group in 0..<layout.groups {
      var sum = 0.0
      layout.forEach(group) { sum += Double(source[$0]) }
      let mean = sum / Double(layout.groupCount)
      var squares = 0.0
      layout.forEach(group) {
        let distance = Double(source[$0]) - mean
        squares += distance * distance
      }
      means.append(mean)
      variances.append(squares / Double(layout.groupCount))
    }
    self.init(means: means, variances: variances)
  }

  func scales(_ epsilon: Double) -> [Double] { variances.map { 1 / ($0 + epsilon).squareRoot() } }
}

/// The positions of the elements of each group in a contiguous tensor.
struct GroupLayout {
  let outer, groups, inner: Int
  var groupCount: Int { outer * inner }

  init(channelsOf x: Tensor) {
    outer = x.shape[0]
    groups = x.shape[1]
    inner = x.shape.dropFirst(2).reduce(1, *)
  }

  init(rowsOf x: Tensor, width: Int) {
    outer = 1
    groups = x.elementCount / max(width, 1)
    inner = width
  }

  @inline(__always)
  func forEach(_ group: Int, _ body: (Int) -> Void) {
    for o in 0..<outer {
      let first = (o * groups + group) * inner
      for i in first..<first + inner { body(i) }
    }
  }
}

/// xhat = (x - mean) / sqrt(variance + epsilon), for every channel of x [N, C, ...].
public func normalizedChannels(_ x: Tensor, _ moments: Moments, epsilon: Double) -> Tensor {
  normalized(x, GroupLayout(channelsOf: x), moments, epsilon)
}

/// xhat, for every run of `width` elements.
public func normalizedRows(_ x: Tensor, width: Int, _ moments: Moments, epsilon: Double) -> Tensor {
  normalized(x, GroupLayout(rowsOf: x, width: width), moments, epsilon)
}

private func normalized(_ x: Tensor, _ layout: GroupLayout, _ moments: Moments, _ epsilon: Double)
  -> Tensor
{
  let x = x.contiguous()
  let y = Tensor(uninitialized: x.shape, x.dtype)
  let scales = moments.scales(epsilon)
  func run<T: RealScalar>(_: T.Type) {
    let (source, target) = (x.pointer(T.self), y.pointer(T.self))
    for group in 0..<layout.groups {
      let (mean, scale) = (moments.means[group], scales[group])
      layout.forEach(group) { target[$0] = T((Double(source[$0]) - mean) * scale) }
    }
  }
  withReal("normalize", x.dtype, { run(Float.self) }, { run(Double.self) })
  return y
}

/// The gradient through a normalization by x's own moments, over groups of n elements:
/// dx = (dxhat - mean of dxhat - xhat mean of (dxhat xhat)) / sqrt(variance + epsilon).
/// - dxhat: the gradient of xhat; xhat: from `normalizedChannels`.
public func normalizedChannelsBackward(
  _ dxhat: Tensor, xhat: Tensor, _ moments: Moments, epsilon: Double
) -> Tensor {
  normalizedBackward(dxhat, xhat, GroupLayout(channelsOf: xhat), moments, epsilon)
}

/// The same for every run of `width` elements.
public func normalizedRowsBackward(
  _ dxhat: Tensor, xhat: Tensor, width: Int, _ moments: Moments, epsilon: Double
) -> Tensor {
  normalizedBackward(dxhat, xhat, GroupLayout(rowsOf: xhat, width: width), moments, epsilon)
}

private func normalizedBackward(
  _ dxhat: Tensor, _ xhat: Tensor, _ layout: GroupLayout, _ moments: Moments, _ epsilon: Double
) -> Tensor {
  require(
    dxhat.shape == xhat.shape && dxhat.dtype == xhat.dtype,
    "normalize backward: \(dxhat.dtype) \(dxhat.shape) for \(xhat.dtype) \(xhat.shape)")
  let (dxhat, xhat) = (dxhat.contiguous(), xhat.contiguous())
  let dx = Tensor(uninitialized: xhat.shape, xhat.dtype)
  let scales = moments.scales(epsilon)
  func run<T: RealScalar>(_: T.Type) {
    let (dxhats, xhats, target) = (dxhat.pointer(T.self), xhat.pointer(T.self), dx.pointer(T.self))
    for group in 0..<layout.groups {
      var (sum, product) = (0.0, 0.0)
      layout.forEach(group) {
        sum += Double(dxhats[$0])
        product += Double(dxhats[$0]) * Double(xhats[$0])
      }
      let count = Double(layout.groupCount)
      let (mean, slope, scale) = (sum / count, product / count, scales[group])
      layout.forEach(group) {
        target[$0] = T((Double(dxhats[$0]) - mean - Double(xhats[$0]) * slope) * scale)
      }
    }
  }
  withReal("normalize backward", xhat.dtype, { run(Float.self) }, { run(Double.self) })
  return dx
}

/// running = (1 - momentum) running + momentum batch, in place.
/// - running: [C], contiguous, float32 or float64.
public func blend(_ running: Tensor, with batch: [Double], momentum: Double) {
  require(
    running.shape == [batch.count] && running.isContiguous,
    "batchNorm: running statistics of shape \(running.shape) for \(batch.count) channels")
  func run<T: RealScalar>(_: T.Type) {
    let values = running.pointer(T.self)
    for (i, value) in batch.enumerated() {
      values[i] = T((1 - momentum) * Double(values[i]) + momentum * value)
    }
  }
  withReal("batchNorm", running.dtype, { run(Float.self) }, { run(Double.self) })
}
