import Tensors

/// y[..., i, ...] = x[..., 0, ...] + ... + x[..., i, ...] along `axis`; if `reversed`, the sum is
/// from i to the last. float32 is added in double; integers and bool in int64.
/// - Returns: x's shape; int64 where x is not floating-point.
public func cumulativeSum(_ x: Tensor, axis: Int, reversed: Bool = false) -> Tensor {
  switch x.dtype {
  case .float32: cumulate(x, axis, reversed, 0.0, { (v: Float) in Double(v) }, +, { Float($0) })
  case .float64: cumulate(x, axis, reversed, 0.0, { (v: Double) in v }, +, { $0 })
  default:
    cumulate(converted(x, to: .int64), axis, reversed, 0, { (v: Int64) in v }, &+, { $0 })
  }
}

private func cumulate<T: TensorScalar, Sum>(
  _ x: Tensor, _ axis: Int, _ reversed: Bool, _ zero: Sum, _ widen: (T) -> Sum,
  _ add: (Sum, Sum) -> Sum, _ finish: (Sum) -> T
) -> Tensor {
  let (rows, width, values) = rowsAlong([axis], of: x)
  let y = Tensor(uninitialized: values.shape, x.dtype)
  let (source, target) = (values.pointer(T.self), y.pointer(T.self))
  for row in 0..<rows {
    var sum = zero
    for step in 0..<width {
      let i = row * width + (reversed ? width - 1 - step : step)
      sum = add(sum, widen(source[i]))
      target[i] = finish(sum)
    }
  }
  return y.permutedView(permutationMovingLast(to: axis, x.axisCount)).contiguous()
}

/// x with the order of its elements along `axes` reversed.
public func flipped(_ x: Tensor, axes: [Int]) -> Tensor {
  var y = x
  for axis in axes {
    let indices = Tensor((0..<x.shape[axis]).reversed().map { Int64($0) })
    y = indexSelect(y, axis: axis, index: indices)
  }
  return y.contiguous()
}

/// A triangle of the last two axes: x where column - row is at most `diagonal` (if `lower`) or at
/// least `diagonal` (else), and 0 elsewhere.
public func triangle(_ x: Tensor, lower: Bool, diagonal: Int) -> Tensor {
  let (rows, columns) = (x.shape[x.axisCount - 2], x.shape[x.axisCount - 1])
  let keeps = Tensor(
    (0..<rows * columns).map { i -> Bool in
      let distance = i % columns - i / columns
      return lower ? distance <= diagonal : distance >= diagonal
    }, shape: [rows, columns])
  return select(keeps, x, Tensor(zeros: [], x.dtype))
}
