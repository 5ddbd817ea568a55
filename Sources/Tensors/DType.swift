/// The element types a tensor can hold.
///
/// Training uses `float32`. `float64` serves to check its results; the integers hold labels and
/// indices, `uint8` holds images, `bool` masks.
public enum DType: UInt8, Sendable, CaseIterable, CustomStringConvertible {
  case float32, float64, int32, int64, uint8, bool

  /// The size of an element in bytes.
  @inlinable public var byteCount: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .uint8, .bool: 1
    }
  }

  @inlinable public var isFloatingPoint: Bool { self == .float32 || self == .float64 }

  public var description: String {
    switch self {
    case .float32: "float32"
    case .float64: "float64"
    case .int32: "int32"
    case .int64: "int64"
    case .uint8: "uint8"
    case .bool: "bool"
    }
  }
}

/// A Swift type that a tensor can hold.
public protocol TensorScalar: BitwiseCopyable, Sendable {
  static var dtype: DType { get }
}

extension Float: TensorScalar { @inlinable public static var dtype: DType { .float32 } }
extension Double: TensorScalar { @inlinable public static var dtype: DType { .float64 } }
extension Int32: TensorScalar { @inlinable public static var dtype: DType { .int32 } }
extension Int64: TensorScalar { @inlinable public static var dtype: DType { .int64 } }
extension UInt8: TensorScalar { @inlinable public static var dtype: DType { .uint8 } }
extension Bool: TensorScalar { @inlinable public static var dtype: DType { .bool } }
