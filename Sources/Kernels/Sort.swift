import Tensors

/// The order of x's elements along `axis`: int64 indices that sort it. Equal elements keep their
/// order in both directions; NaN is larger than any number, as in PyTorch.
/// - Returns: x's shape.
public func argsort(_ x: Tensor, axis: Int, descending: Bool) -> Tensor {
  switch x.dtype {
  case .float32: argsort(x, axis, descending, Float.self) { $0 < $1 || ($1 != $1 && $0 == $0) }
  case .float64: argsort(x, axis, descending, Double.self) { $0 < $1 || ($1 != $1 && $0 == $0) }
  default: argsort(converted(x, to: .int64), axis, descending, Int64.self) { $0 < $1 }
  }
}

private func argsort<T: TensorScalar>(
  _ x: Tensor, _ axis: Int, _ descending: Bool, _: T.Type, _ isBelow: (T, T) -> Bool
) -> Tensor {
  let (rows, width, values) = rowsAlong([axis], of: x)
  let order = Tensor(uninitialized: values.shape, .int64)
  let (source, target) = (values.pointer(T.self), order.pointer(Int64.self))
  for row in 0..<rows {
    let elements = source + row * width
    // Equal elements are ordered by index, which makes any sort stable.
    let sorted = (0..<width).sorted { i, j in
      let (first, second) = descending ? (j, i) : (i, j)
      if isBelow(elements[first], elements[second]) { return true }
      if isBelow(elements[second], elements[first]) { return false }
      return i < j
    }
    for (i, index) in sorted.enumerated() { target[row * width + i] = Int64(index) }
  }
  return order.permutedView(permutationMovingLast(to: axis, x.axisCount))
}

/// The permutation that moves the last axis back to `axis`.
func permutationMovingLast(to axis: Int, _ axisCount: Int) -> [Int] {
  var order = Array(0..<(axisCount - 1))
  order.insert(axisCount - 1, at: axis)
  return order
}
