import CKernels
import System
import Tensors

/// Losses that are a sum over the elements of a prediction x and a target y.
public enum ElementLoss: Sendable {
  /// (x - y)^2.
  case squaredError
  /// -y ln x - (1 - y) ln(1 - x), each logarithm at least -100, for x in 0 ... 1.
  case binaryCrossEntropy
}

/// The sum of the loss over all elements, in double for either dtype.
/// - x, y: float32 or float64, any shape.
/// - Precondition: x and y have the same shape and dtype.
public func lossSum(_ loss: ElementLoss, _ x: Tensor, _ y: Tensor) -> Double {
  let (x, y) = contiguousPair(x, y)
  return dispatch("loss", x, y) {
    switch loss {
    case .squaredError: nd_squared_error(x.floats, y.floats, x.elementCount)
    case .binaryCrossEntropy: nd_binary_cross_entropy(x.floats, y.floats, x.elementCount)
    }
  } reference: {
    switch loss {
    case .squaredError: Reference.squaredError(x.doubleElements, y.doubleElements)
    case .binaryCrossEntropy: Reference.binaryCrossEntropy(x.doubleElements, y.doubleElements)
    }
  }
}

/// The derivative of the sum with respect to x, times `scale`: 2 (x - y), or (x - y) / max(x (1 -
/// x), 1e-12).
/// - Returns: x's shape.
/// - Precondition: as for `lossSum`.
public func lossGradient(_ loss: ElementLoss, _ x: Tensor, _ y: Tensor, scale: Double) -> Tensor {
  let (x, y) = contiguousPair(x, y)
  let dx = Tensor(uninitialized: x.shape, x.dtype)
  let (count, factor) = (x.elementCount, Float(scale))
  dispatch("loss backward", x, y) {
    switch loss {
    case .squaredError: nd_squared_error_backward(dx.floats, x.floats, y.floats, count, factor)
    case .binaryCrossEntropy:
      nd_binary_cross_entropy_backward(dx.floats, x.floats, y.floats, count, factor)
    }
  } reference: {
    let (first, second, result) = (x.doubleElements, y.doubleElements, dx.doubleElements)
    switch loss {
    case .squaredError: Reference.squaredErrorBackward(first, second, result, scale: scale)
    case .binaryCrossEntropy:
      Reference.binaryCrossEntropyBackward(first, second, result, scale: scale)
    }
  }
  return dx
}

/// `lossSum` and `lossGradient` of the squared error in one pass.
/// - x, y: float32, the same shape.
public func squaredErrorAndGradient(
  _ x: Tensor, _ y: Tensor, scale: Double
) -> (sum: Double, gradient: Tensor) {
  let (x, y) = contiguousPair(x, y)
  let dx = Tensor(uninitialized: x.shape)
  let sum = keepingAlive(x, y) {
    let (target, first, second) = (dx.floats, x.floats, y.floats)
    return clocked {
      nd_squared_error_and_gradient(target, first, second, x.elementCount, Float(scale))
    }
  }
  return (sum, dx)
}

/// Whether every element is in 0 ... 1; NaN is not.
public func areProbabilities(_ x: Tensor) -> Bool {
  let x = x.contiguous()
  return dispatch("probabilities", x) {
    nd_all_probabilities(x.floats, x.elementCount) == 1
  } reference: {
    Reference.areProbabilities(x.doubleElements)
  }
}

private func contiguousPair(_ x: Tensor, _ y: Tensor) -> (Tensor, Tensor) {
  require(x.shape == y.shape, "loss: a prediction \(x.shape) against a target \(y.shape)")
  return (x.contiguous(), y.contiguous())
}
