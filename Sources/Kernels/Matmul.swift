import TensorCore

/// c[M, N] = a[M, K] b[K, N] (+ bias[N] on every row).
/// - Parameters:
///   - a, b: matrices of one floating-point dtype; row-major, transposed views, or any strides
///     (then copied first).
///   - bias: [N], contiguous.
///   - destination: where c goes; nil makes a new tensor.
/// - Precondition: the inner extents agree.
public func matmul(
  _ a: Tensor, _ b: Tensor, bias: Tensor? = nil, into destination: Tensor? = nil
) -> Tensor {
  require(
    a.axisCount == 2 && b.axisCount == 2 && a.shape[1] == b.shape[0],
    "matmul: \(a.shape) cannot be multiplied by \(b.shape): the inner extents must agree")
  let (m, k, n) = (a.shape[0], a.shape[1], b.shape[1])
  if let bias {
    require(
      bias.shape == [n] && bias.isContiguous,
      "matmul: a bias of shape \(bias.shape) for \(n) columns")
  }
  let c = result("matmul", [m, n], a.dtype, into: destination)
  if m == 0 || n == 0 { return c }
  dispatch("matmul", bias.map { [a, b, $0] } ?? [a, b]) {
    if k == 0 {
      // An empty sum, which oneDNN would leave undone.
      c.fillWithZeros()
      if let bias {
        for row in 0..<m { c.floats.advanced(by: row * n).update(from: bias.floats, count: n) }
      }
      return
    }
    let (a, b) = (matrixForOneDNN(a), matrixForOneDNN(b))
    let key = MatmulPrimitive.Key(
      m: m, n: n, k: k, aStrides: SIMD2(a.strides[0], a.strides[1]),
      bStrides: SIMD2(b.strides[0], b.strides[1]), hasBias: bias != nil)
    let context = KernelContext.current
    context.matmul(key).run(
      in: context, a: a.rawPointer, b: b.rawPointer, bias: bias?.rawPointer, c: c.rawPointer)
  } reference: {
    let (a, b) = (a.contiguous(), b.contiguous())
    Reference.matmul(a.doubles, b.doubles, bias?.doubles, c.doubles, m: m, n: n, k: k)
  }
  return c
}

/// A matrix with unit stride along one axis and a stride along the other that oneDNN takes.
private func matrixForOneDNN(_ x: Tensor) -> Tensor {
  let (rows, columns) = (x.shape[0], x.shape[1])
  let rowMajor = x.strides[1] == 1 && x.strides[0] >= columns
  let columnMajor = x.strides[0] == 1 && x.strides[1] >= rows
  return rowMajor || columnMajor ? x : x.copied()
}
