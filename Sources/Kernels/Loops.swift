import System
import Tensors

// The loops of all elementwise ops without a kernel of their own. They are generic and inlined, so
// that each op's closure is compiled into its loop.

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
  let axes = CommonAxes(shape, a.strides, b.strides)
  // The innermost axis is a plain loop; the others are the digits of a counter.
  let (width, stepA, stepB) = axes.innermost
  var counter = axes.outer.map { _ in 0 }
  var (offsetA, offsetB, next) = (0, 0, 0)
  while true {
    if stepA == 1 && stepB == 0 {
      let value = second[offsetB]
      for i in 0..<width { target[next + i] = f(first[offsetA + i], value) }
    } else if stepA == 0 && stepB == 1 {
      let value = first[offsetA]
      for i in 0..<width { target[next + i] = f(value, second[offsetB + i]) }
    } else {
      for i in 0..<width {
        target[next + i] = f(first[offsetA + i * stepA], second[offsetB + i * stepB])
      }
    }
    next += width
    var axis = axes.outer.count - 1
    while axis >= 0 {
      let (extent, stepA, stepB) = axes.outer[axis]
      counter[axis] += 1
      offsetA += stepA
      offsetB += stepB
      if counter[axis] < extent { break }
      offsetA -= stepA * extent
      offsetB -= stepB * extent
      counter[axis] = 0
      axis -= 1
    }
    if axis < 0 { return z }
  }
}

/// The axes of two operands of one shape. Adjacent axes that both operands can traverse as one are
/// merged, so that a loop over a column and a scalar is one loop, not one for each row.
struct CommonAxes {
  typealias Axis = (extent: Int, stepA: Int, stepB: Int)
  var outer: [Axis] = []
  var innermost: Axis = (1, 0, 0)

  init(_ shape: Shape, _ a: Strides, _ b: Strides) {
    for axis in 0..<shape.count where shape[axis] != 1 {
      let next: Axis = (shape[axis], a[axis], b[axis])
      if innermost.extent == 1 {
        innermost = next
      } else if innermost.stepA == next.stepA * next.extent
        && innermost.stepB == next.stepB * next.extent
      {
        innermost = (innermost.extent * next.extent, next.stepA, next.stepB)
      } else {
        outer.append(innermost)
        innermost = next
      }
    }
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
