import Tensors

/// y = e^x / sum of e^x along `axis`, or its logarithm, without overflow. Sums are in double.
/// - x: at least one axis, float32 or float64.  Returns x's shape.
public func softmax(_ x: Tensor, axis: Int, logarithm: Bool = false) -> Tensor {
  let op = logarithm ? "logSoftmax" : "softmax"
  return withReal(
    op, x.dtype, { alongRows(op, [x], axis) { normalize($0[0], $1, $2, logarithm, Float.self) } },
    { alongRows(op, [x], axis) { normalize($0[0], $1, $2, logarithm, Double.self) } })
}

/// dx = y (dy - sum of dy y), or dy - e^y sum of dy for the logarithm. The sums are along `axis`.
/// - dy, y: the same shape and dtype; y from `softmax`.
public func softmaxBackward(_ dy: Tensor, y: Tensor, axis: Int, logarithm: Bool = false) -> Tensor {
  let op = logarithm ? "logSoftmax backward" : "softmax backward"
  return withReal(
    op, y.dtype,
    { alongRows(op, [dy, y], axis) { gradient($0[0], $0[1], $1, $2, logarithm, Float.self) } },
    { alongRows(op, [dy, y], axis) { gradient($0[0], $0[1], $1, $2, logarithm, Double.self) } })
}

/// Calls `body` with the operands as row-major rows, `axis` last, the result and the width of the
/// rows.
@inline(__always)
private func alongRows(
  _ op: String, _ operands: [Tensor], _ axis: Int,
  _ body: (_ operands: [Tensor], _ result: Tensor, _ width: Int) -> Void
) -> Tensor {
  let shape = operands[0].shape
  let axis = normalizedAxes([axis], shape, op: op)[0]
  let rows = operands.map { rowsAlong([axis], of: $0).values }
  let y = Tensor(uninitialized: rows[0].shape, rows[0].dtype)
  if y.elementCount == 0 { return Tensor(uninitialized: shape, y.dtype) }
  body(rows, y, shape[axis])
  // Moves the last axis back to its position.
  var order = Array(0..<shape.count - 1)
  order.insert(shape.count - 1, at: axis)
  return y.permutedView(order).contiguous()
}

private func normalize<T: RealScalar>(
  _ x: Tensor, _ y: Tensor, _ width: Int, _ logarithm: Bool, _: T.Type
) {
  let (source, target) = (x.pointer(T.self), y.pointer(T.self))
  for first in stride(from: 0, to: x.elementCount, by: width) {
    var largest = -T.infinity
    for i in first..<first + width { largest = max(largest, source[i]) }
    var sum = 0.0
    for i in first..<first + width {
      let e = T.evaluate(.exp, source[i] - largest)
      target[i] = e
      sum += Double(e)
    }
    if logarithm {
      let logSum = T(Double.evaluate(.log, sum))
      for i in first..<first + width { target[i] = source[i] - largest - logSum }
    } else {
      let scale = T(1 / sum)
      for i in first..<first + width { target[i] *= scale }
    }
  }
}

private func gradient<T: RealScalar>(
  _ dy: Tensor, _ y: Tensor, _ dx: Tensor, _ width: Int, _ logarithm: Bool, _: T.Type
) {
  let (upper, result, target) = (dy.pointer(T.self), y.pointer(T.self), dx.pointer(T.self))
  for first in stride(from: 0, to: y.elementCount, by: width) {
    var sum = 0.0
    for i in first..<first + width {
      sum += Double(logarithm ? upper[i] : upper[i] * result[i])
    }
    let total = T(sum)
    for i in first..<first + width {
      target[i] =
        logarithm
        ? upper[i] - T.evaluate(.exp, result[i]) * total : result[i] * (upper[i] - total)
    }
  }
}
