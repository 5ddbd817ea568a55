import Tensors

/// x's values as another dtype. Floats are truncated towards zero to integers; every value except 0
/// is true.
/// - Precondition: every value of a float fits the integer type.
public func converted(_ x: Tensor, to dtype: DType) -> Tensor {
  if x.dtype == dtype { return x }
  return switch x.dtype {
  case .float32: real(x, dtype, Float.self)
  case .float64: real(x, dtype, Double.self)
  case .int32: integer(x, dtype, Int32.self)
  case .int64: integer(x, dtype, Int64.self)
  case .uint8: integer(x, dtype, UInt8.self)
  case .bool: integer(mapElements(x) { (v: Bool) -> UInt8 in v ? 1 : 0 }, dtype, UInt8.self)
  }
}

private func real<T: RealScalar>(_ x: Tensor, _ dtype: DType, _: T.Type) -> Tensor {
  switch dtype {
  case .float32: mapElements(x) { (v: T) in Float(v) }
  case .float64: mapElements(x) { (v: T) in Double(v) }
  case .int32: mapElements(x) { (v: T) in whole(v, Int32.self) }
  case .int64: mapElements(x) { (v: T) in whole(v, Int64.self) }
  case .uint8: mapElements(x) { (v: T) in whole(v, UInt8.self) }
  case .bool: mapElements(x) { (v: T) in v != 0 }
  }
}

private func whole<T: RealScalar, I: FixedWidthInteger>(_ value: T, _: I.Type) -> I {
  guard let result = I(exactly: value.rounded(.towardZero)) else {
    fatalError("convert: \(value) does not fit \(I.self)")
  }
  return result
}

private func integer<T: TensorScalar & FixedWidthInteger>(
  _ x: Tensor, _ dtype: DType, _: T.Type
) -> Tensor {
  switch dtype {
  case .float32: mapElements(x) { (v: T) in Float(v) }
  case .float64: mapElements(x) { (v: T) in Double(v) }
  case .int32: mapElements(x) { (v: T) in Int32(truncatingIfNeeded: v) }
  case .int64: mapElements(x) { (v: T) in Int64(truncatingIfNeeded: v) }
  case .uint8: mapElements(x) { (v: T) in UInt8(truncatingIfNeeded: v) }
  case .bool: mapElements(x) { (v: T) in v != 0 }
  }
}
