import Autograd
import CKernels
import System
import Tensors

/// Scales all gradients by one factor so that their Euclidean norm is at most `maximum`. The factor
/// is maximum / (norm + 1e-6), as in PyTorch's `clip_grad_norm_`.
///
/// The squares are summed in double precision in a fixed order, so the norm does not depend on the
/// number of threads and ranks.
/// - Returns: the norm before scaling.
@discardableResult
public func clipGradients(
  _ gradients: UnsafeMutableBufferPointer<Float>, toNorm maximum: Double
) -> Double {
  guard let start = gradients.baseAddress else { return 0 }
  return clippedGradients(start, count: gradients.count, toNorm: maximum, in: start).norm
}

/// As `clipGradients(_:toNorm:)`, for gradients that must not be written, such as a sum that other
/// ranks of a host read.
/// - Parameter memory: [count], for the scaled gradients; it may be the same as `gradients`.
/// - Returns: `gradients` if their norm is small enough, else `memory`; and the norm before
///   scaling.
public func clippedGradients(
  _ gradients: UnsafePointer<Float>, count: Int, toNorm maximum: Double,
  in memory: UnsafeMutablePointer<Float>
) -> (gradients: UnsafePointer<Float>, norm: Double) {
  let norm = nd_sum_of_squares(gradients, count).squareRoot()
  guard let factor = clippingFactor(norm: norm, maximum) else { return (gradients, norm) }
  nd_scale(memory, gradients, count, factor)
  return (UnsafePointer(memory), norm)
}

/// As `clipGradients(_:toNorm:)`, for the gradients of `parameters`. Parameters without a gradient
/// are ignored.
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

/// Limits every element of the gradients to the interval from -limit to limit.
public func clipGradients(_ gradients: UnsafeMutableBufferPointer<Float>, toValue limit: Double) {
  if let start = gradients.baseAddress { nd_clip(start, gradients.count, Float(limit)) }
}

/// As `clipGradients(_:toValue:)`, for the gradients of `parameters`.
public func clipGradients(of parameters: [Tensor], toValue limit: Double) {
  for gradient in parameters.compactMap(\.grad) {
    nd_clip(floats(of: gradient), gradient.elementCount, Float(limit))
  }
}

/// The factor that scales the gradients; nil if their norm is small enough. If the norm is NaN, so
/// is the factor.
private func clippingFactor(norm: Double, _ maximum: Double) -> Float? {
  let factor = maximum / (norm + 1e-6)
  return factor >= 1 ? nil : Float(factor)
}

/// The elements of a gradient, which is contiguous: the autograd engine made it so, or it is a part
/// of an arena.
private func floats(of gradient: Tensor) -> UnsafeMutablePointer<Float> {
  require(
    gradient.isContiguous, "clipGradients: a gradient of shape \(gradient.shape) has gaps")
  return gradient.pointer(Float.self)
}
