import TensorCore

// The loops every elementwise op without a kernel of its own runs in. Generic and inlined, so that
// each op's closure is compiled into its loop.

/// y[i] = f(x[i]).
@inline(__always)
func mapElements<T: TensorScalar, U: TensorScalar>(_ x: Tensor, _ f: (T) -> U) -> Tensor {
  let x = x.contiguous()
  let y = Tensor(uninitialized: x.shape, U.dtype)
  let (source, target) = (x.pointer(T.self), y.pointer(U.self))
  for i in 0..<x.elementCount { target[i] = f(source[i]) }
  return y
}

/// z = f(x, y), broadcast.
@inline(__always)
func zipElements<T: TensorScalar, U: TensorScalar, V: TensorScalar>(
  _ op: String, _ x: Tensor, _ y: Tensor, _ f: (T, U) -> V
) -> Tensor {
  let shape = broadcastShape(x.shape, y.shape, op: op)
  let z = Tensor(uninitialized: shape, V.dtype)
  let target = z.pointer(V.self)
  let (a, b) = (x.broadcastView(to: shape), y.broadcastView(to: shape))
  let (first, second) = (a.pointer(T.self), b.pointer(U.self))
  if a.isContiguous && b.isContiguous {
    for i in 0..<z.elementCount { target[i] = f(first[i], second[i]) }
    return z
  }
  if z.elementCount == 0 { return z }
  if shape.count == 0 {
    target[0] = f(first[0], second[0])
    return z
  }
  // The innermost axis in a plain loop, the others as digits of a counter.
  let inner = shape.count - 1
  let (width, stepA, stepB) = (shape[inner], a.strides[inner], b.strides[inner])
  var counter = [Int](repeating: 0, count: inner)
  var (offsetA, offsetB, next) = (0, 0, 0)
  while true {
    for i in 0..<width {
      target[next + i] = f(first[offsetA + i * stepA], second[offsetB + i * stepB])
    }
    next += width
    var axis = inner - 1
    while axis >= 0 {
      counter[axis] += 1
      offsetA += a.strides[axis]
      offsetB += b.strides[axis]
      if counter[axis] < shape[axis] { break }
      offsetA -= a.strides[axis] * shape[axis]
      offsetB -= b.strides[axis] * shape[axis]
      counter[axis] = 0
      axis -= 1
    }
    if axis < 0 { return z }
  }
}

/// Calls the body for the element type of a floating-point dtype.
/// - Precondition: float32 or float64; otherwise traps, naming `op`.
@inline(__always)
func withReal<Result>(
  _ op: String, _ dtype: DType, _ float32: () -> Result, _ float64: () -> Result
) -> Result {
  switch dtype {
  case .float32: float32()
  case .float64: float64()
  default: fatalError("\(op): needs float32 or float64, not \(dtype); convert it first")
  }
}

/// - Precondition: one dtype; otherwise traps, naming `op` and both.
func requireSameDType(_ op: String, _ x: Tensor, _ y: Tensor) {
  require(
    x.dtype == y.dtype,
    "\(op): operands of \(x.dtype) and \(y.dtype); convert one of them with to(_:)")
}
