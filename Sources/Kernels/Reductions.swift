import CKernels
import System
import Tensors

/// The sum of all elements, as a scalar tensor. float32 is added in double.
public func sum(_ x: Tensor) -> Tensor {
  let x = x.contiguous()
  return dispatch("sum", x) {
    Tensor(scalar: Float(nd_sum(x.floats, x.elementCount)))
  } reference: {
    Tensor(scalar: Reference.sum(x.doubleElements))
  }
}

/// y[c] = sum over rows of x[r, c].
/// - x: [R, C].  Returns [C].
public func columnSums(_ x: Tensor, into destination: Tensor? = nil) -> Tensor {
  require(x.axisCount == 2, "columnSums: shape \(x.shape) is not a matrix")
  let x = x.contiguous()
  let y = result("columnSums", [x.shape[1]], x.dtype, into: destination)
  dispatch("columnSums", x) {
    nd_column_sums(y.floats, x.floats, x.shape[0], x.shape[1])
  } reference: {
    Reference.columnSums(x.doubleElements, y.doubleElements)
  }
  return y
}
