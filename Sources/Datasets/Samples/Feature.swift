/// One of the arrays of a sample: an input or a target.
public struct Feature: Sendable, Equatable {
  public let name: String
  /// The shape of one sample's array, such as [28, 28]; [] is one number.
  public let shape: [Int]
  public let type: FeatureType

  public init(_ name: String, shape: [Int] = [], _ type: FeatureType = .float32) {
    self.name = name
    self.shape = shape
    self.type = type
  }

  package var elementCount: Int { shape.reduce(1, *) }
  package var byteCount: Int { elementCount * type.byteCount }
}

/// The type of a feature's elements, in memory and in a batch.
public enum FeatureType: Sendable, Equatable {
  /// Pixels 0 ... 255 in memory; float32 in a batch.
  case uint8
  case float32
  /// Integers, such as indices into an embedding.
  case int64
  /// Int64 in 0 ..< count.
  case classIndex(count: Int)

  package var byteCount: Int {
    switch self {
    case .uint8: 1
    case .float32: 4
    case .int64, .classIndex: 8
    }
  }
}
