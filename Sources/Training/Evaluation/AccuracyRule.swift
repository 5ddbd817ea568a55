import Datasets
import Glibc
import Kernels
import Layers
import System
import Tensors

/// When an output counts as right.
package enum AccuracyRule: Sendable, Equatable {
  /// Nothing is right or wrong: only the loss counts.
  case none
  /// The class with the largest score, [N, C] or [N, C, ...] against int64 [N] or [N, ...].
  case classes(count: Int)
  /// The same against one-hot targets [N, C].
  case oneHot(count: Int)
  /// One probability, [N, 1] against 0 or 1: class 1 where it is above the threshold.
  case binary(threshold: Double)

  /// 0 where there are no classes.
  package var classCount: Int {
    switch self {
    case .none: 0
    case .classes(let count), .oneHot(let count): count
    case .binary: 2
    }
  }

  /// The class predicted for each of N samples (of a sequence: for each of its places), in order.
  package func predicted(_ outputs: Tensor) -> [Int] {
    switch self {
    case .none: []
    case .classes(let count), .oneHot(let count): AccuracyRule.largest(outputs, classCount: count)
    case .binary(let threshold):
      outputs.values(Float.self).map { Double($0) > threshold ? 1 : 0 }
    }
  }

  /// The true classes of the same.
  package func actual(_ targets: Tensor) -> [Int] {
    switch self {
    case .none: []
    case .classes: targets.values(Int64.self).map { Int($0) }
    case .oneHot(let count): AccuracyRule.largest(targets, classCount: count)
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

extension AccuracyRule {
  /// The rule that follows from what the loss makes of outputs and from the data's targets.
  /// - Parameters:
  ///   - target: the targets as the data set has them.
  ///   - form: what a sample is compared with.
  ///   - threshold: the probability above which a binary output is class 1.
  ///   - isBinary: whether numbers are binary targets although the loss does not say so.
  package static func rule(
    _ loss: any Loss, target: TargetType, form: TargetForm, threshold: Double = 0.5,
    isBinary: Bool = false
  ) -> AccuracyRule {
    switch (form, target) {
    case (.input, _): return .none
    case (.oneHot, .classIndex(let count)): return .oneHot(count: count)
    case (_, .classIndex(let count)): return .classes(count: count)
    case (_, .float32): break
    }
    switch loss.predictionKind {
    case .probabilities: return .binary(threshold: threshold)
    // Where the sigmoid is the threshold.
    case .logits: return .binary(threshold: log(threshold / (1 - threshold)))
    default: return isBinary ? .binary(threshold: threshold) : .none
    }
  }
}
