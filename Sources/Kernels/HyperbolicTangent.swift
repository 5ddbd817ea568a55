import CKernels
import TensorCore

/// tanh x of float32, vectorized; `apply` gives that of float64.
func hyperbolicTangent(_ x: Tensor) -> Tensor {
  let x = x.contiguous()
  let y = Tensor(uninitialized: x.shape)
  clocked { nd_tanh(y.floats, x.floats, x.elementCount) }
  return y
}

/// dy (1 - y^2): its derivative, from its result.
/// - dy, y: one shape and dtype, float32 or float64.
public func tanhBackward(_ dy: Tensor, y: Tensor) -> Tensor {
  require(dy.shape == y.shape, "tanh backward: dy of shape \(dy.shape) for y of shape \(y.shape)")
  let (dy, y) = (dy.contiguous(), y.contiguous())
  let dx = Tensor(uninitialized: y.shape, y.dtype)
  dispatch("tanh backward", [dy, y]) {
    nd_tanh_backward(dx.floats, dy.floats, y.floats, y.elementCount)
  } reference: {
    for i in 0..<y.elementCount {
      dx.doubles[i] = dy.doubles[i] * (1 - y.doubles[i] * y.doubles[i])
    }
  }
  return dx
}
