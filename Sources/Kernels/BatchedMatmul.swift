import System
import Tensors

/// c[..., M, N] = a[..., M, K] b[..., K, N]: a matrix product for each index of the leading axes,
/// which broadcast.
/// - a, b: float32 or float64, at least 2 axes each, any strides.
/// - Precondition: the inner extents agree; otherwise traps with both shapes.
public func batchedMatmul(_ a: Tensor, _ b: Tensor) -> Tensor {
  let (aCount, bCount) = (a.axisCount, b.axisCount)
  require(
    a.shape[aCount - 1] == b.shape[bCount - 2],
    "matmul: \(a.shape) cannot be multiplied by \(b.shape): the inner extents must agree")
  let (m, k, n) = (a.shape[aCount - 2], a.shape[aCount - 1], b.shape[bCount - 1])
  if aCount == 2 && bCount == 2 { return matmul(a, b) }
  let batch = broadcastShape(
    Shape(a.shape.dropLast(2)), Shape(b.shape.dropLast(2)), op: "matmul")
  requireSameDType("matmul", a, b)
  let c = Tensor(uninitialized: Shape(Array(batch) + [m, n]), a.dtype)
  let aOffsets = matrixOffsets(a.broadcastView(to: Shape(Array(batch) + [m, k])))
  let bOffsets = matrixOffsets(b.broadcastView(to: Shape(Array(batch) + [k, n])))
  for (i, (aOffset, bOffset)) in zip(aOffsets, bOffsets).enumerated() {
    let target = Tensor(
      storage: c.storage, shape: [m, n], strides: ([m, n] as Shape).contiguousStrides,
      offset: i * m * n, dtype: c.dtype)
    _ = matmul(lastMatrix(a, at: aOffset), lastMatrix(b, at: bOffset), into: target)
  }
  return c
}

/// The storage offsets of the matrices of the last two axes, in row-major order of the axes before
/// them.
private func matrixOffsets(_ x: Tensor) -> [Int] {
  let batch = Shape(x.shape.dropLast(2))
  // Empty matrices have no first element; they are never read, so any offset will do.
  if x.elementCount == 0 { return [Int](repeating: x.offset, count: batch.elementCount) }
  var steps = Strides(axisCount: batch.count)
  for axis in batch.indices { steps[axis] = x.strides[axis] }
  let corners = Tensor(
    storage: x.storage, shape: batch, strides: steps, offset: x.offset, dtype: x.dtype)
  var offsets: [Int] = []
  corners.forEachOffset { offsets.append($0) }
  return offsets
}

private func lastMatrix(_ x: Tensor, at offset: Int) -> Tensor {
  let count = x.axisCount
  var steps = Strides(axisCount: 2)
  (steps[0], steps[1]) = (x.strides[count - 2], x.strides[count - 1])
  return Tensor(
    storage: x.storage, shape: [x.shape[count - 2], x.shape[count - 1]], strides: steps,
    offset: offset, dtype: x.dtype)
}
