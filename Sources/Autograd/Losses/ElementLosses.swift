import Kernels
import System
import Tensors

// Losses that compare two tensors element by element. Each is a sum over all elements / divisor.
// Without a divisor it is PyTorch's mean; with the divisor 1 it is PyTorch's sum. A shard passes
// the divisor of the global batch's mean, so that the losses and gradients of the shards add up to
// those of the batch.
//
// x is the prediction and y the target. Both get gradients, so training works with either order of
// the arguments.

/// L = (sum of (x - y)^2) / divisor;  dx = 2 (x - y) / divisor,  dy = -dx.
/// - x, y: one shape and dtype.  Returns a scalar.
public func meanSquaredError(_ x: Tensor, _ y: Tensor, divisor: Double? = nil) -> Tensor {
  func dy(_ x: Tensor, _ y: Tensor) -> Tensor { -2 * (x - y) }
  // Most backward passes start at the loss, with the gradient 1. For that case the gradient is
  // computed now.
  let inputs = ShortList([x, y])
  guard x.dtype == .float32, y.dtype == .float32, x.requiresGrad, isRecorded(inputs) else {
    return kernelLoss("meanSquaredError", .squaredError, x, y, divisor, dy: dy)
  }
  let divisor = checkedDivisor("meanSquaredError", x, y, divisor)
  let (a, b) = (x.value, y.value)
  let (sum, gradient) = Kernels.squaredErrorAndGradient(a, b, scale: 1 / divisor)
  return recorded(
    "meanSquaredError", inputs: inputs, value: Tensor(scalar: Float(sum / divisor)),
    saving: [.input(0), .input(1)],
    .giving { dz, request in
      let scale = dz.item()
      let isSeed = scale == 1
      let dx =
        isSeed ? gradient : Kernels.lossGradient(.squaredError, a, b, scale: scale / divisor)
      request.give(dx, to: 0)
      request.give(request.isNeeded(1) ? dy(a, b) * (dz / divisor) : nil, to: 1)
    })
}

/// L = (sum of |x - y|) / divisor;  dx = sign(x - y) / divisor,  dy = -dx.
/// - x, y: one shape and dtype.  Returns a scalar.
public func absoluteError(_ x: Tensor, _ y: Tensor, divisor: Double? = nil) -> Tensor {
  differenceLoss("absoluteError", x, y, divisor) { d in
    d.abs()
  } slope: { d in
    d.sign()
  }
}

/// L = (sum of d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere) / divisor, d = x - y;
/// dx = (d / beta limited to -1 ... 1) / divisor,  dy = -dx. With beta 0 it is the absolute error.
/// - x, y: one shape and dtype.  Returns a scalar.
/// - Source: Girshick, Fast R-CNN, 2015; PyTorch's SmoothL1Loss.
public func smoothAbsoluteError(
  _ x: Tensor, _ y: Tensor, beta: Double = 1, divisor: Double? = nil
) -> Tensor {
  require(beta >= 0, "smoothAbsoluteError: beta must not be negative, but is \(beta)")
  if beta == 0 { return absoluteError(x, y, divisor: divisor) }
  return differenceLoss("smoothAbsoluteError", x, y, divisor) { d in
    let size = d.abs()
    return Tensor.where(size .< beta, 0.5 / beta * d.square(), size - 0.5 * beta)
  } slope: { d in
    (d / beta).clamp(minimum: -1, maximum: 1)
  }
}

/// L = (sum of d^2 / 2 where |d| <= delta, delta (|d| - delta / 2) elsewhere) / divisor, d = x - y;
/// dx = (d limited to -delta ... delta) / divisor,  dy = -dx.
/// - x, y: one shape and dtype.  Returns a scalar.
/// - Source: Huber, 1964; PyTorch's HuberLoss.
public func huberError(
  _ x: Tensor, _ y: Tensor, delta: Double = 1, divisor: Double? = nil
) -> Tensor {
  require(delta > 0, "huberError: delta must be positive, not \(delta)")
  return differenceLoss("huberError", x, y, divisor) { d in
    let size = d.abs()
    return Tensor.where(size .<= delta, 0.5 * d.square(), delta * (size - 0.5 * delta))
  } slope: { d in
    d.clamp(minimum: -delta, maximum: delta)
  }
}

/// L = (sum of -y ln x - (1 - y) ln(1 - x)) / divisor, each logarithm at least -100;
/// dx = (x - y) / max(x (1 - x), 1e-12) / divisor,  dy = (ln(1 - x) - ln x) / divisor.
/// - x: probabilities in 0 ... 1.  y: the same shape and dtype.  Returns a scalar.
/// - Source: PyTorch's BCELoss, including its two bounds.
public func binaryCrossEntropy(_ x: Tensor, _ y: Tensor, divisor: Double? = nil) -> Tensor {
  requireAlike("binaryCrossEntropy", x, y)
  require(
    Kernels.areProbabilities(x.value),
    "binaryCrossEntropy: a prediction is not in 0 ... 1; put a sigmoid before it, or use "
      + "binaryCrossEntropyWithLogits")
  return kernelLoss("binaryCrossEntropy", .binaryCrossEntropy, x, y, divisor) { x, _ in
    (-x).log1p() - x.log()
  }
}

/// L = (sum of max(x, 0) - x y + ln(1 + e^-|x|)) / divisor: binary cross-entropy of sigmoid(x),
/// without overflow and without loss of accuracy;  dx = (sigmoid(x) - y) / divisor,  dy = -x /
/// divisor.
/// - x, y: one shape and dtype.  Returns a scalar.
/// - Source: PyTorch's BCEWithLogitsLoss.
public func binaryCrossEntropyWithLogits(_ x: Tensor, _ y: Tensor, divisor: Double? = nil) -> Tensor
{
  elementLoss("binaryCrossEntropyWithLogits", x, y, divisor) { x, y in
    x.clamp(minimum: 0) - x * y + (-x.abs()).exp().log1p()
  } dx: { x, y in
    x.sigmoid() - y
  } dy: { x, _ in
    -x
  }
}

/// L = (sum of y (ln y - x)) / divisor, 0 where y is 0, with x = ln of the predicted probabilities;
/// dx = -y / divisor,  dy = (ln y + 1 - x) / divisor. With `isTargetLog`, the argument y holds ln
/// y.
/// - x, y: one shape and dtype.  Returns a scalar.
/// - Source: PyTorch's KLDivLoss. Its "batchmean" uses the extent of the first axis as divisor.
public func kullbackLeibler(
  _ x: Tensor, _ y: Tensor, isTargetLog: Bool = false, divisor: Double? = nil
) -> Tensor {
  if isTargetLog {
    return elementLoss("kullbackLeibler", x, y, divisor) { x, y in
      y.exp() * (y - x)
    } dx: { _, y in
      -y.exp()
    } dy: { x, y in
      y.exp() * (y - x + 1)
    }
  }
  return elementLoss("kullbackLeibler", x, y, divisor) { x, y in
    Tensor.where(y .== 0, y.scalar(0), y * y.log()) - y * x
  } dx: { _, y in
    -y
  } dy: { x, y in
    y.log() + 1 - x
  }
}

/// A loss that depends only on d = x - y, so that dy = -dx.
/// - value: the loss of each element.  slope: its derivative.
private func differenceLoss(
  _ name: String, _ x: Tensor, _ y: Tensor, _ divisor: Double?, value: (_ d: Tensor) -> Tensor,
  slope: @escaping (_ d: Tensor) -> Tensor
) -> Tensor {
  elementLoss(name, x, y, divisor) {
    value($0 - $1)
  } dx: {
    slope($0 - $1)
  } dy: {
    -slope($0 - $1)
  }
}

/// A loss with its own kernels for the value and for the gradient of the prediction, which is the
/// gradient that training needs.
private func kernelLoss(
  _ name: String, _ loss: Kernels.ElementLoss, _ x: Tensor, _ y: Tensor, _ divisor: Double?,
  dy: @escaping (Tensor, Tensor) -> Tensor
) -> Tensor {
  let divisor = checkedDivisor(name, x, y, divisor)
  let (a, b) = (x.value, y.value)
  let mean = Kernels.lossSum(loss, a, b) / divisor
  let value = x.dtype == .float64 ? Tensor(scalar: mean) : Tensor(scalar: Float(mean))
  return record(name, inputs: [x, y], value: value, saving: [a, b]) { dz, request in
    [
      request.isNeeded(0) ? Kernels.lossGradient(loss, a, b, scale: dz.item() / divisor) : nil,
      request.isNeeded(1) ? dy(a, b) * (dz / divisor) : nil,
    ]
  }
}

/// A loss composed of tensor operations.
/// - value: the loss of each element.  dx, dy: its derivatives.
private func elementLoss(
  _ name: String, _ x: Tensor, _ y: Tensor, _ divisor: Double?, value: (Tensor, Tensor) -> Tensor,
  dx: @escaping (Tensor, Tensor) -> Tensor, dy: @escaping (Tensor, Tensor) -> Tensor
) -> Tensor {
  let divisor = checkedDivisor(name, x, y, divisor)
  let (a, b) = (x.value, y.value)
  let loss = Kernels.reduce(.sum, value(a, b)) / divisor
  return record(name, inputs: [x, y], value: loss) { dz, request in
    let scale = dz / divisor
    return [
      request.isNeeded(0) ? dx(a, b) * scale : nil, request.isNeeded(1) ? dy(a, b) * scale : nil,
    ]
  }
}

/// The divisor of the sum; the number of elements if `divisor` is nil.
/// - Precondition: x and y as in `requireAlike`; a positive divisor, unless there are no elements.
private func checkedDivisor(_ name: String, _ x: Tensor, _ y: Tensor, _ divisor: Double?) -> Double
{
  requireAlike(name, x, y)
  let divisor = divisor ?? Double(x.elementCount)
  require(
    divisor > 0 || x.elementCount == 0, "\(name): the divisor must be positive, not \(divisor)")
  return divisor
}

/// Requires equal shapes, unlike PyTorch. PyTorch broadcasts [2000, 1] against [2000] to [2000,
/// 2000] pairs, with a warning at most, and trains on meaningless values.
/// - Precondition: x and y have the same shape and the same floating-point dtype.
private func requireAlike(_ name: String, _ x: Tensor, _ y: Tensor) {
  require(
    x.shape == y.shape,
    "\(name): a prediction of shape \(x.shape) and a target of shape \(y.shape) are not compared "
      + "element by element; reshape one of them, such as target.reshaped(\(x.shape))")
  require(
    x.dtype == y.dtype,
    "\(name): a prediction of \(x.dtype) and a target of \(y.dtype); convert one of them with to(_:)"
  )
  require(
    x.dtype.isFloatingPoint,
    "\(name): needs float32 or float64, not \(x.dtype); convert both with to(_:)")
}
