import Kernels
import System
import Tensors

/// Which outputs are right.
public enum Metric: Sendable, Equatable {
  /// Nothing is right or wrong: only the loss counts.
  case none
  /// The class with the largest score, [N, C] or [N, C, ...] against int64 [N] or [N, ...].
  case classes(count: Int)
  /// The same against one-hot targets [N, C].
  case oneHot(count: Int)
  /// One probability, [N, 1] against 0 or 1: class 1 where it is above the threshold.
  case binary(threshold: Double)

  /// 0 where there are no classes.
  public var classCount: Int {
    switch self {
    case .none: 0
    case .classes(let count), .oneHot(let count): count
    case .binary: 2
    }
  }

  /// The class predicted for each of N samples (of a sequence: for each of its places), in order.
  public func predicted(_ outputs: Tensor) -> [Int] {
    switch self {
    case .none: []
    case .classes(let count), .oneHot(let count): Metric.largest(outputs, classCount: count)
    case .binary(let threshold):
      outputs.values(Float.self).map { Double($0) > threshold ? 1 : 0 }
    }
  }

  /// The true classes of the same.
  public func actual(_ targets: Tensor) -> [Int] {
    switch self {
    case .none: []
    case .classes: targets.values(Int64.self).map { Int($0) }
    case .oneHot(let count): Metric.largest(targets, classCount: count)
    case .binary: targets.values(Float.self).map { $0 > 0.5 ? 1 : 0 }
    }
  }

  /// The first largest of axis 1 of [N, C, ...], in the order of the other axes.
  private static func largest(_ scores: Tensor, classCount: Int) -> [Int] {
    require(
      scores.axisCount >= 2 && scores.shape[1] == classCount,
      "accuracy: scores of shape \(scores.shape) are not [N, \(classCount)]")
    let values = scores.values(Float.self)
    let places = scores.shape.dropFirst(2).reduce(1, *)
    return (0..<scores.shape[0] * places).map { index in
      let start = index / places * classCount * places + index % places
      var best = 0
      for c in 1..<max(classCount, 1)
      where values[start + c * places] > values[start + best * places] { best = c }
      return best
    }
  }
}

/// How often each class was taken for each other.
public struct ConfusionMatrix: Sendable, Equatable {
  public let classCount: Int
  /// [actual][predicted], row by row.
  public private(set) var counts: [Int]

  public init(classCount: Int) {
    self.classCount = classCount
    counts = [Int](repeating: 0, count: classCount * classCount)
  }

  public mutating func add(predicted: Int, actual: Int) {
    counts[actual * classCount + predicted] += 1
  }

  public mutating func add(_ other: ConfusionMatrix) {
    for i in counts.indices { counts[i] += other.counts[i] }
  }

  public subscript(actual actual: Int, predicted predicted: Int) -> Int {
    counts[actual * classCount + predicted]
  }

  public var total: Int { counts.reduce(0, +) }
  public var correct: Int { (0..<classCount).reduce(0) { $0 + self[actual: $1, predicted: $1] } }

  /// Of the samples taken for `c`, the part that is `c`; nil where none was.
  public func precision(_ c: Int) -> Double? {
    let taken = (0..<classCount).reduce(0) { $0 + self[actual: $1, predicted: c] }
    return taken == 0 ? nil : Double(self[actual: c, predicted: c]) / Double(taken)
  }

  /// Of the samples that are `c`, the part taken for it; nil where there are none.
  public func recall(_ c: Int) -> Double? {
    let all = (0..<classCount).reduce(0) { $0 + self[actual: c, predicted: $1] }
    return all == 0 ? nil : Double(self[actual: c, predicted: c]) / Double(all)
  }
}
