import System
import Tensors

/// Elementwise functions of two operands of one dtype.
public enum BinaryOperation: String, Sendable {
  case add, subtract, multiply, divide, power, maximum, minimum
}

/// z = f(x, y), broadcast. Integer division truncates towards zero.
/// - Precondition: x and y have the same dtype, not bool, and shapes that broadcast.
public func apply(_ operation: BinaryOperation, _ x: Tensor, _ y: Tensor) -> Tensor {
  requireSameDType(operation.rawValue, x, y)
  switch x.dtype {
  case .float32:
    // The two operations that training uses most have kernels of their own.
    if x.shape == y.shape && operation == .add { return add(x, y) }
    if x.shape == y.shape && operation == .multiply { return multiply(x, y) }
    return real(operation, x, y, Float.self)
  case .float64: return real(operation, x, y, Double.self)
  case .int32: return integer(operation, x, y, Int32.self)
  case .int64: return integer(operation, x, y, Int64.self)
  case .uint8: return integer(operation, x, y, UInt8.self)
  case .bool: fatalError("\(operation.rawValue): bool tensors have no arithmetic; convert them")
  }
}

private func real<T: RealScalar>(
  _ operation: BinaryOperation, _ x: Tensor, _ y: Tensor, _: T.Type
) -> Tensor {
  let op = operation.rawValue
  return switch operation {
  case .add: zipElements(op, x, y) { (a: T, b: T) in a + b }
  case .subtract: zipElements(op, x, y) { (a: T, b: T) in a - b }
  case .multiply: zipElements(op, x, y) { (a: T, b: T) in a * b }
  case .divide: zipElements(op, x, y) { (a: T, b: T) in a / b }
  case .power: zipElements(op, x, y) { (a: T, b: T) in T.raised(a, to: b) }
  // NaN is the maximum and the minimum, as in PyTorch.
  case .maximum: zipElements(op, x, y) { (a: T, b: T) in a != a || a > b ? a : b }
  case .minimum: zipElements(op, x, y) { (a: T, b: T) in a != a || a < b ? a : b }
  }
}

private func integer<T: TensorScalar & FixedWidthInteger>(
  _ operation: BinaryOperation, _ x: Tensor, _ y: Tensor, _: T.Type
) -> Tensor {
  let op = operation.rawValue
  return switch operation {
  case .add: zipElements(op, x, y) { (a: T, b: T) in a &+ b }
  case .subtract: zipElements(op, x, y) { (a: T, b: T) in a &- b }
  case .multiply: zipElements(op, x, y) { (a: T, b: T) in a &* b }
  case .divide:
    zipElements(op, x, y) { (a: T, b: T) in
      require(b != 0, "divide: an integer by zero")
      return a.dividedReportingOverflow(by: b).partialValue
    }
  case .power: fatalError("power: needs float32 or float64, not \(x.dtype); convert it first")
  case .maximum: zipElements(op, x, y) { (a: T, b: T) in max(a, b) }
  case .minimum: zipElements(op, x, y) { (a: T, b: T) in min(a, b) }
  }
}

/// Comparisons. With NaN all of them are false except `notEqual`.
public enum Comparison: String, Sendable {
  case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
}

/// The comparison of x and y, broadcast, as bool.
/// - Precondition: x and y have the same dtype and shapes that broadcast.
public func compare(_ comparison: Comparison, _ x: Tensor, _ y: Tensor) -> Tensor {
  requireSameDType(comparison.rawValue, x, y)
  return switch x.dtype {
  case .float32: ordered(comparison, x, y, Float.self)
  case .float64: ordered(comparison, x, y, Double.self)
  case .int32: ordered(comparison, x, y, Int32.self)
  case .int64: ordered(comparison, x, y, Int64.self)
  case .uint8, .bool:
    // true is 1 and false 0.
    ordered(comparison, bytes(x), bytes(y), UInt8.self)
  }
}

private func bytes(_ x: Tensor) -> Tensor {
  x.dtype == .uint8
    ? x
    : Tensor(
      storage: x.storage, shape: x.shape, strides: x.strides, offset: x.offset, dtype: .uint8)
}

private func ordered<T: TensorScalar & Comparable>(
  _ comparison: Comparison, _ x: Tensor, _ y: Tensor, _: T.Type
) -> Tensor {
  let op = comparison.rawValue
  return switch comparison {
  case .equal: zipElements(op, x, y) { (a: T, b: T) in a == b }
  case .notEqual: zipElements(op, x, y) { (a: T, b: T) in a != b }
  case .less: zipElements(op, x, y) { (a: T, b: T) in a < b }
  case .lessOrEqual: zipElements(op, x, y) { (a: T, b: T) in a <= b }
  case .greater: zipElements(op, x, y) { (a: T, b: T) in a > b }
  case .greaterOrEqual: zipElements(op, x, y) { (a: T, b: T) in a >= b }
  }
}

/// condition ? x : y, broadcast.
/// - Precondition: `condition` is bool; x and y have one dtype.
public func select(_ condition: Tensor, _ x: Tensor, _ y: Tensor) -> Tensor {
  require(condition.dtype == .bool, "where: the condition must be bool, not \(condition.dtype)")
  requireSameDType("where", x, y)
  let shape = broadcastShape(
    condition.shape, broadcastShape(x.shape, y.shape, op: "where"), op: "where")
  let z = Tensor(uninitialized: shape, x.dtype)
  let mask = condition.broadcastView(to: shape).contiguous()
  let (a, b) = (x.broadcastView(to: shape).contiguous(), y.broadcastView(to: shape).contiguous())
  let flags = mask.pointer(Bool.self)
  func choose<Bits: BitwiseCopyable>(_: Bits.Type) {
    let (first, second, target) = (
      a.rawPointer.assumingMemoryBound(to: Bits.self),
      b.rawPointer.assumingMemoryBound(to: Bits.self),
      z.rawPointer.assumingMemoryBound(to: Bits.self)
    )
    for i in 0..<z.elementCount { target[i] = flags[i] ? first[i] : second[i] }
  }
  switch x.dtype.byteCount {
  case 8: choose(UInt64.self)
  case 4: choose(UInt32.self)
  default: choose(UInt8.self)
  }
  return z
}
