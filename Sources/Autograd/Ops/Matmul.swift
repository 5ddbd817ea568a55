import Kernels
import System
import Tensors

extension Tensor {
  /// The matrix product, like PyTorch's `matmul`;  dx = dz yᵀ,  dy = xᵀ dz, summed where an operand
  /// was broadcast.
  /// - Two vectors [K] give their scalar product, without axes. With a matrix, a vector is a row on
  ///   the left, [K][K, N] -> [N], and a column on the right, [M, K][K] -> [M]. Axes before the
  ///   last two are batches, which broadcast: [B, 1, M, K][C, K, N] -> [B, C, M, N].
  /// - Precondition: same dtype, float32 or float64; at least one axis each; the inner extents
  ///   agree.
  public func matmul(_ other: Tensor) -> Tensor {
    require(
      axisCount > 0 && other.axisCount > 0,
      "matmul: \(shape) cannot be multiplied by \(other.shape): a scalar is no matrix; use *")
    require(
      shape[axisCount - 1] == other.shape[Swift.max(other.axisCount - 2, 0)],
      "matmul: \(shape) cannot be multiplied by \(other.shape): the inner extents must agree; "
        + "transpose one of them")
    let (x, y) = (value, other.value)
    let a = x.axisCount == 1 ? x.viewed(as: [1, x.elementCount]) : x
    let b = y.axisCount == 1 ? y.viewed(as: [y.elementCount, 1]) : y
    let product = Kernels.batchedMatmul(a, b)
    var extents = Array(product.shape)
    if y.axisCount == 1 { extents.removeLast() }
    if x.axisCount == 1 { extents.remove(at: extents.count - (y.axisCount == 1 ? 1 : 2)) }
    let z = product.viewed(as: Shape(extents))
    let whole = product.shape
    let (aShape, bShape, xShape, yShape) = (a.shape, b.shape, x.shape, y.shape)
    // An operand is saved only if the gradient of the other is needed.
    let (left, right) = (other.requiresGrad ? a : nil, requiresGrad ? b : nil)
    return record(
      "matmul", inputs: [self, other], value: z, saving: [left, right].compactMap { $0 }
    ) { dz in
      let dz = dz.viewed(as: whole)
      return [
        right.map {
          unbroadcast(Kernels.batchedMatmul(dz, matrixTransposed($0)), to: aShape)
            .viewed(as: xShape)
        },
        left.map {
          unbroadcast(Kernels.batchedMatmul(matrixTransposed($0), dz), to: bShape)
            .viewed(as: yShape)
        },
      ]
    }
  }
}

/// A view with the last two axes swapped.
private func matrixTransposed(_ x: Tensor) -> Tensor {
  x.transposedView(x.axisCount - 2, x.axisCount - 1)
}
