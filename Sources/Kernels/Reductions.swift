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

/// Whether every element of a matrix product must be finite, found from the operands without
/// reading the product: no element is larger than terms max|a| max|b|, in any order of summation.
/// Returns false where the operands have no fewer elements than the product, and where the bound
/// does not prove it.
/// - Parameters:
///   - a, b: the operands, contiguous float32, transposed or not. For other operands the result is
///     false.
///   - terms: the number of products in an element's sum, K.
///   - elementCount: the number of elements of the product, M N.
public func productIsSurelyFinite(_ a: Tensor, _ b: Tensor, terms: Int, elementCount: Int) -> Bool {
  guard a.dtype == .float32, b.dtype == .float32, a.isContiguous, b.isContiguous,
    a.elementCount + b.elementCount < elementCount
  else { return false }
  return clocked {
    let (a, b) = (
      nd_largest_magnitude(a.floats, a.elementCount), nd_largest_magnitude(b.floats, b.elementCount)
    )
    // A quarter of the largest float leaves room for rounding the sum, and the operands to
    // bfloat16.
    return Double(terms) * Double(a) * Double(b) < 0x1p126
  }
}

/// Whether no element is infinite or NaN. False also for tensors that are not contiguous float32.
public func isSurelyFinite(_ x: Tensor) -> Bool {
  guard x.dtype == .float32, x.isContiguous else { return false }
  return clocked { nd_all_finite(x.floats, x.elementCount) == 1 }
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
