import CKernels
import System
import Tensors

/// Elementwise functions of one operand that keep its dtype.
public enum UnaryOperation: Equatable, Sendable {
  case negate, absolute, sign, square, squareRoot, reciprocal
  case floor, ceil, round, truncate
  /// 1 / (1 + e^-x), without overflow for any x.
  case sigmoid
  case elementary(ElementaryFunction)
}

/// y = f(x), element by element. Integers have negate, absolute, sign and square.
/// - x: any shape and strides.  Returns x's shape, contiguous.
public func apply(_ operation: UnaryOperation, _ x: Tensor) -> Tensor {
  switch (x.dtype, operation) {
  case (.float32, .sigmoid): vectorized(x, nd_sigmoid)
  case (.float32, .elementary(.tanh)): vectorized(x, nd_tanh)
  default: looped(operation, x)
  }
}

/// dx from the result y: dy y (1 - y) for `sigmoid`, dy (1 - y^2) for `tanh`.
/// - dy, y: one shape; float32 or float64.
/// - Precondition: the operation is one of these two.
public func backward(_ operation: UnaryOperation, _ dy: Tensor, y: Tensor) -> Tensor {
  require(dy.shape == y.shape, "\(operation) backward: dy of \(dy.shape) for y of \(y.shape)")
  let isSigmoid = operation == .sigmoid
  require(isSigmoid || operation == .elementary(.tanh), "\(operation) has no such derivative")
  let (dy, y) = (dy.contiguous(), y.contiguous())
  let dx = Tensor(uninitialized: y.shape, y.dtype)
  let count = y.elementCount
  dispatch("sigmoid or tanh backward", dy, y) {
    (isSigmoid ? nd_sigmoid_backward : nd_tanh_backward)(dx.floats, dy.floats, y.floats, count)
  } reference: {
    for i in 0..<count {
      let v = y.doubles[i]
      dx.doubles[i] = dy.doubles[i] * (isSigmoid ? v * (1 - v) : 1 - v * v)
    }
  }
  return dx
}

private typealias Loop = (UnsafeMutablePointer<Float>, UnsafePointer<Float>, Int) -> Void

private func vectorized(_ x: Tensor, _ loop: Loop) -> Tensor {
  let x = x.contiguous()
  let y = Tensor(uninitialized: x.shape)
  clocked { loop(y.floats, x.floats, x.elementCount) }
  return y
}

private func looped(_ operation: UnaryOperation, _ x: Tensor) -> Tensor {
  switch x.dtype {
  case .float32: real(operation, x, Float.self)
  case .float64: real(operation, x, Double.self)
  case .int32: integer(operation, x, Int32.self)
  case .int64: integer(operation, x, Int64.self)
  case .uint8, .bool: fatalError("\(operation): needs a signed number, not \(x.dtype)")
  }
}

private func real<T: RealScalar>(_ operation: UnaryOperation, _ x: Tensor, _: T.Type) -> Tensor {
  switch operation {
  case .negate: mapElements(x) { (v: T) in -v }
  case .absolute: mapElements(x) { (v: T) in abs(v) }
  // The sign of NaN is 0, as in PyTorch.
  case .sign: mapElements(x) { (v: T) -> T in v > 0 ? 1 : v < 0 ? -1 : 0 }
  case .square: mapElements(x) { (v: T) in v * v }
  case .squareRoot: mapElements(x) { (v: T) in v.squareRoot() }
  case .reciprocal: mapElements(x) { (v: T) in 1 / v }
  case .floor: mapElements(x) { (v: T) in v.rounded(.down) }
  case .ceil: mapElements(x) { (v: T) in v.rounded(.up) }
  case .round: mapElements(x) { (v: T) in v.rounded(.toNearestOrEven) }
  case .truncate: mapElements(x) { (v: T) in v.rounded(.towardZero) }
  case .sigmoid:
    mapElements(x) { (v: T) in
      let e = T.evaluate(.exp, -abs(v))
      return (v >= 0 ? 1 : e) / (1 + e)
    }
  case .elementary(let function): mapElements(x) { (v: T) in T.evaluate(function, v) }
  }
}

private func integer<T: TensorScalar & SignedInteger & FixedWidthInteger>(
  _ operation: UnaryOperation, _ x: Tensor, _: T.Type
) -> Tensor {
  switch operation {
  case .negate: mapElements(x) { (v: T) in 0 &- v }
  case .absolute: mapElements(x) { (v: T) in v < 0 ? 0 &- v : v }
  case .sign: mapElements(x) { (v: T) in v.signum() }
  case .square: mapElements(x) { (v: T) in v &* v }
  default: fatalError("\(operation): needs float32 or float64, not \(x.dtype); convert it first")
  }
}
