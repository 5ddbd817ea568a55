import Tensors
import Testing

extension Tensor {
  /// All values in row-major order, as Double.
  public var asDoubles: [Double] {
    switch dtype {
    case .float32: values(Float.self).map(Double.init)
    case .float64: values(Double.self)
    case .int32: values(Int32.self).map(Double.init)
    case .int64: values(Int64.self).map(Double.init)
    case .uint8: values(UInt8.self).map(Double.init)
    case .bool: values(Bool.self).map { $0 ? 1 : 0 }
    }
  }

  /// The bits of all float32 values in row-major order, every NaN alike.
  public var bits: [UInt32] { values(Float.self).bits }
}

extension [Float] {
  /// The bits of every value, every NaN alike.
  public var bits: [UInt32] { map { $0.isNaN ? Float.nan.bitPattern : $0.bitPattern } }
}

/// Expects `shape`, and values no further from `expected` than `tolerance` of their index says.
/// NaN equals NaN, and an infinity itself only. Reports the first element that is off.
public func expectClose(
  _ actual: Tensor, _ expected: [Double], shape: Shape, _ context: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation, tolerance: (Int) -> Double
) {
  guard actual.shape == shape else {
    Issue.record(
      "shape \(actual.shape), not \(shape); \(context())", sourceLocation: sourceLocation)
    return
  }
  expectClose(
    actual.asDoubles, expected, context(), sourceLocation: sourceLocation, tolerance: tolerance)
}

/// The same for numbers without a shape.
public func expectClose(
  _ actual: [Double], _ expected: [Double], _ context: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation, tolerance: (Int) -> Double
) {
  guard actual.count == expected.count else {
    Issue.record(
      "\(actual.count) values, not \(expected.count); \(context())", sourceLocation: sourceLocation)
    return
  }
  for (i, (a, e)) in zip(actual, expected).enumerated() where a != e && !(a.isNaN && e.isNaN) {
    if abs(a - e) <= tolerance(i) && a.isFinite { continue }
    Issue.record(
      "element \(i) is \(a), not \(e), off by \(a - e) where \(tolerance(i)) is allowed; \(context())",
      sourceLocation: sourceLocation)
    return
  }
}
