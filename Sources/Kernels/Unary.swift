import TensorCore

/// Elementwise functions of one operand that keep its dtype.
public enum UnaryOperation: Equatable, Sendable {
  case negate, absolute, sign, square, squareRoot, reciprocal
  case floor, ceil, round, truncate
  case elementary(ElementaryFunction)
}

/// y = f(x), element by element. Integers have negate, absolute, sign and square.
/// - x: any shape and strides.  Returns x's shape, contiguous.
public func apply(_ operation: UnaryOperation, _ x: Tensor) -> Tensor {
  switch x.dtype {
  case .float32 where operation == .elementary(.tanh): hyperbolicTangent(x)
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
  // 0 of NaN, as in PyTorch.
  case .sign: mapElements(x) { (v: T) -> T in v > 0 ? 1 : v < 0 ? -1 : 0 }
  case .square: mapElements(x) { (v: T) in v * v }
  case .squareRoot: mapElements(x) { (v: T) in v.squareRoot() }
  case .reciprocal: mapElements(x) { (v: T) in 1 / v }
  case .floor: mapElements(x) { (v: T) in v.rounded(.down) }
  case .ceil: mapElements(x) { (v: T) in v.rounded(.up) }
  case .round: mapElements(x) { (v: T) in v.rounded(.toNearestOrEven) }
  case .truncate: mapElements(x) { (v: T) in v.rounded(.towardZero) }
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
