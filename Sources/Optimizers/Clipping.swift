import Autograd
import CKernels
import System
import Tensors

/// Makes the Euclidean norm of all gradients together at most `maximum`, by one factor for all:
/// maximum / (norm + 1e-6), as in PyTorch's `clip_grad_norm_`.
///
/// The squares are summed in double in a fixed order: the same gradients have the same norm whatever
/// the threads and ranks.
/// - Returns: the norm before.
@discardableResult
public func clipGradients(
  _ gradients: UnsafeMutableBufferPointer<Float>, toNorm maximum: Double
) -> Double {
  guard let start = gradients.baseAddress else { return 0 }
  return clippedGradients(start, count: gradients.count, toNorm: maximum, in: start).norm
}

/// The same for gradients that are not to be written, such as a sum that other ranks of a host read.
/// - Parameter memory: [count], for the clipped ones; it may be where `gradients` are.
/// - Returns: `gradients` where nothing is to be done, else `memory`; and the norm before.
public func clippedGradients(
  _ gradients: UnsafePointer<Float>, count: Int, toNorm maximum: Double,
  in memory: UnsafeMutablePointer<Float>
) -> (gradients: UnsafePointer<Float>, norm: Double) {
  let norm = nd_sum_of_squares(gradients, count).squareRoot()
  guard let factor = clippingFactor(norm: norm, maximum) else { return (gradients, norm) }
  nd_scale(memory, gradients, count, factor)
  return (UnsafePointer(memory), norm)
}

/// The same for the gradients of `parameters`; those without one do not count.
@discardableResult
public func clipGradients(of parameters: [Tensor], toNorm maximum: Double) -> Double {
  let gradients = parameters.compactMap(\.grad)
  let squares = gradients.map { nd_sum_of_squares(floats(of: $0), $0.elementCount) }
  let norm = squares.reduce(0, +).squareRoot()
  if let factor = clippingFactor(norm: norm, maximum) {
    for gradient in gradients {
      let start = floats(of: gradient)
      nd_scale(start, start, gradient.elementCount, factor)
    }
  }
  return norm
}

/// Makes every element of the gradients at least -limit and at most limit.
public func clipGradients(_ gradients: UnsafeMutableBufferPointer<Float>, toValue limit: Double) {
  if let start = gradients.baseAddress { nd_clip(start, gradients.count, Float(limit)) }
}

/// The same for the gradients of `parameters`.
public func clipGradients(of parameters: [Tensor], toValue limit: Double) {
  for gradient in parameters.compactMap(\.grad) {
    nd_clip(floats(of: gradient), gradient.elementCount, Float(limit))
  }
}

/// nil where nothing is to be done. A norm that is not a number gives a factor that is none either.
private func clippingFactor(norm: Double, _ maximum: Double) -> Float? {
  let factor = maximum / (norm + 1e-6)
  return factor >= 1 ? nil : Float(factor)
}

/// A gradient is contiguous: the engine made it so, or it is a part of an arena.
private func floats(of gradient: Tensor) -> UnsafeMutablePointer<Float> {
  require(
    gradient.isContiguous, "clipGradients: a gradient of shape \(gradient.shape) has gaps")
  return gradient.pointer(Float.self)
}
