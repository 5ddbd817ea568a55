import Kernels
import Tensors

/// y[..., :] = weight[indices[...], :];  dweight = the rows of dy, added up at their indices; the
/// row `paddingIndex` gets no gradient.
/// - indices: int64 or int32, any shape.  weight: [rows, features].  Returns the shape of `indices`
///   + [features].
/// - Precondition: 0 <= index < rows.
public func embedding(_ indices: Tensor, weight: Tensor, paddingIndex: Int? = nil) -> Tensor {
  let table = weight.value
  let rows = table.shape.extent(of: 0, op: "embedding")
  let y = Kernels.gatheredRows(table, indices)
  return record("embedding", inputs: [weight], value: y) { dy, request in
    [
      Kernels.scatteredRows(
        dy, indices, rows: rows, skipped: paddingIndex, into: request.destination(0))
    ]
  }
}
