import Kernels
import System
import Tensors

// Losses that compare element by element. Each is a sum over all elements / divisor; without a divisor
// it is PyTorch's mean, with 1 its sum. A shard passes what the mean of the whole global batch divides
// by, so that the shards' losses and gradients add up to the batch's.
//
// x is the prediction and y the target. Both get gradients, so that either order of arguments trains.

/// L = (sum of (x - y)^2) / divisor;  dx = 2 (x - y) / divisor,  dy = -dx.
/// - x, y: one shape and dtype.  Returns a scalar.
public func meanSquaredError(_ x: Tensor, _ y: Tensor, divisor: Double? = nil) -> Tensor {
  func dy(_ x: Tensor, _ y: Tensor) -> Tensor { -2 * (x - y) }
  // Most losses are where a backward pass begins, with 1: then the gradient is already there.
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
/// dx = d / beta between -1 and 1, / divisor,  dy = -dx. With beta 0 the absolute error.
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
    (d / beta).clamp(least: -1, most: 1)
  }
}

/// L = (sum of d^2 / 2 where |d| <= delta, delta (|d| - delta / 2) elsewhere) / divisor, d = x - y;
/// dx = d between -delta and delta, / divisor,  dy = -dx.
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
    d.clamp(least: -delta, most: delta)
  }
}

/// L = (sum of -y ln x - (1 - y) ln(1 - x)) / divisor, each logarithm at least -100;
/// dx = (x - y) / max(x (1 - x), 1e-12) / divisor,  dy = (ln(1 - x) - ln x) / divisor.
/// - x: probabilities in 0 ... 1.  y: of its shape and dtype.  Returns a scalar.
/// - Source: PyTorch's BCELoss, its bounds included.
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

/// L = (sum of max(x, 0) - x y + ln(1 + e^-|x|)) / divisor: binary cross-entropy of sigmoid(x), which
/// neither overflows nor loses digits;  dx = (sigmoid(x) - y) / divisor,  dy = -x / divisor.
/// - x, y: one shape and dtype.  Returns a scalar.
/// - Source: PyTorch's BCEWithLogitsLoss.
public func binaryCrossEntropyWithLogits(_ x: Tensor, _ y: Tensor, divisor: Double? = nil) -> Tensor
{
  elementLoss("binaryCrossEntropyWithLogits", x, y, divisor) { x, y in
    x.clamp(least: 0) - x * y + (-x.abs()).exp().log1p()
  } dx: { x, y in
    x.sigmoid() - y
  } dy: { x, _ in
    -x
  }
}

/// L = (sum of y (ln y - x)) / divisor, 0 where y is 0, with x = ln of the predicted probabilities;
/// dx = -y / divisor,  dy = (ln y + 1 - x) / divisor. With `isTargetLog` y stands for ln y.
/// - x, y: one shape and dtype.  Returns a scalar.
/// - Source: PyTorch's KLDivLoss, whose "batchmean" has the extent of the first axis as divisor.
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

/// A loss of the difference d = x - y, whose derivative by y is that by x with the other sign.
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

/// A loss with kernels of its own for its value and for the prediction's gradient, the one that training
/// asks for.
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

/// What the sum is divided by.
/// - Precondition: x and y as in `requireAlike`; a positive divisor.
private func checkedDivisor(_ name: String, _ x: Tensor, _ y: Tensor, _ divisor: Double?) -> Double
{
  requireAlike(name, x, y)
  let divisor = divisor ?? Double(x.elementCount)
  require(
    divisor > 0 || x.elementCount == 0, "\(name): the divisor must be positive, not \(divisor)")
  return divisor
}

/// PyTorch broadcasts [2000, 1] against [2000] to [2000, 2000] pairs, with a warning at most, and
/// trains on nonsense: here no two shapes are compared.
/// - Precondition: one shape and one floating-point dtype.
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
