import CKernels
import TensorCore

/// The sum of (x - y)^2 over all elements. float32 is added up in double.
/// - x, y: one shape and dtype, float32 or float64.  Returns a scalar.
public func squaredError(_ x: Tensor, _ y: Tensor) -> Tensor {
  let (x, y) = (x.contiguous(), y.contiguous())
  return dispatch("squaredError", [x, y]) {
    Tensor(scalar: Float(nd_squared_differences(x.floats, y.floats, x.elementCount)))
  } reference: {
    Tensor(
      scalar: (0..<x.elementCount).reduce(0.0) {
        let d = x.doubles[$1] - y.doubles[$1]
        return $0 + d * d
      })
  }
}

/// dx = 2 (x - y) scale.
/// - x, y: as for `squaredError`.  scale: a scalar of their dtype.
public func squaredErrorBackward(_ x: Tensor, _ y: Tensor, scale: Tensor) -> Tensor {
  let (x, y) = (x.contiguous(), y.contiguous())
  let dx = Tensor(uninitialized: x.shape, x.dtype)
  dispatch("squaredError backward", [x, y]) {
    nd_squared_differences_backward(
      dx.floats, x.floats, y.floats, x.elementCount, scale.floats.pointee)
  } reference: {
    for i in 0..<x.elementCount {
      dx.doubles[i] = 2 * (x.doubles[i] - y.doubles[i]) * scale.doubles.pointee
    }
  }
  return dx
}
