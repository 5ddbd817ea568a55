import System
import Tensors

/// Rows of a table: y[..., :] = table[indices[...], :].
/// - table: [R, D], any dtype; indices: int64 or int32, any shape.  Returns indices' shape + [D].
/// - Precondition: 0 <= index < R; otherwise traps with the index, its position and the range.
public func gatheredRows(_ table: Tensor, _ indices: Tensor) -> Tensor {
  require(
    table.axisCount == 2, "embedding: the table must be [rows, features], not \(table.shape)")
  let (table, rows) = (table.contiguous(), rowNumbers(indices, table.shape[0]))
  let y = Tensor(uninitialized: Shape(indices.shape + [table.shape[1]]), table.dtype)
  let byteCount = table.shape[1] * table.dtype.byteCount
  withExtendedLifetime(table) {
    for (i, row) in rows.enumerated() {
      (y.rawPointer + i * byteCount).copyMemory(
        from: table.rawPointer + row * byteCount, byteCount: byteCount)
    }
  }
  return y
}

/// The gradient of the table: zeros, to which every row of dy is added at its index, in order. Rows
/// with the index `skipped` are not added.
/// - dy: indices' shape + [D].  Returns [rows, D].
public func scatteredRows(
  _ dy: Tensor, _ indices: Tensor, rows: Int, skipped: Int?, into destination: Tensor? = nil
) -> Tensor {
  let width = dy.shape[dy.axisCount - 1]
  let (dy, numbers) = (dy.contiguous(), rowNumbers(indices, rows))
  let sums = result("embedding backward", [rows, width], dy.dtype, into: destination)
  sums.fillWithZeros()
  func run<T: RealScalar>(_: T.Type) {
    let (source, target) = (dy.pointer(T.self), sums.pointer(T.self))
    for (i, row) in numbers.enumerated() where row != skipped {
      for j in 0..<width { target[row * width + j] += source[i * width + j] }
    }
  }
  withReal("embedding backward", dy.dtype, { run(Float.self) }, { run(Double.self) })
  return sums
}

private func rowNumbers(_ indices: Tensor, _ rows: Int) -> [Int] {
  require(
    indices.dtype == .int64 || indices.dtype == .int32,
    "embedding: indices must be int64 or int32, not \(indices.dtype)")
  let numbers = converted(indices, to: .int64).values(Int64.self)
  for (place, number) in numbers.enumerated() {
    require(
      number >= 0 && number < rows,
      "embedding: index \(number) at place \(place) of indices \(indices.shape) is not in 0 ..< \(rows)"
    )
  }
  return numbers.map(Int.init)
}
