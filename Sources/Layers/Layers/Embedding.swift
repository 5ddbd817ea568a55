import Autograd
import System
import Tensors

/// A table with a learned row of features for every index.
/// - Input int64 or int32 indices of any shape, output that shape + [features].
public final class Embedding: Module {
  public let rows, features: Int
  public let paddingIndex: Int?
  public let weight: Tensor  // [rows, features]

  /// - paddingIndex: a row that is initialized to zeros and gets no gradient; negative ones count
  ///   from the end.
  /// - seed: the seed of the initial values. `initialize(seed:)` of the whole network replaces
  ///   them.
  public init(_ rows: Int, _ features: Int, paddingIndex: Int? = nil, seed: UInt64 = 0) {
    let padding = paddingIndex.map { $0 < 0 ? $0 + rows : $0 }
    require(
      padding.map { $0 >= 0 && $0 < rows } ?? true,
      "Embedding: the padding index \(paddingIndex ?? 0) is none of the \(rows) rows")
    self.rows = rows
    self.features = features
    self.paddingIndex = padding
    weight = newParameter([rows, features])
    fillParameters(seed: seed)
  }

  public func visit(_ v: inout Visitor) {
    let normal = Initializer.normal(mean: 0, deviation: 1)
    v("weight", weight, paddingIndex.map { .zeroingRow($0, normal) } ?? normal)
  }

  public func callAsFunction(_ indices: Tensor) -> Tensor {
    embedding(indices, weight: weight, paddingIndex: paddingIndex)
  }

  public var extraDescription: String {
    "\(rows), \(features)" + (paddingIndex.map { ", padding_idx=\($0)" } ?? "")
  }
}
