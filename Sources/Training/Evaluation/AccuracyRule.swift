import Datasets
import Glibc
import Kernels
import Layers
import System
import Tensors

/// The rule that decides whether an output is correct.
package enum AccuracyRule: Sendable, Equatable {
  /// No output is correct or wrong: only the loss is measured.
  case none
  /// The class with the largest score. Outputs [N, C] or [N, C, ...], targets int64 [N] or
  /// [N, ...].
  case classes(count: Int)
  /// The class with the largest score. Outputs [N, C], one-hot targets [N, C].
  case oneHot(count: Int)
  /// Class 1 where the output is above the threshold. Outputs [N, 1], targets 0 or 1.
  case binary(threshold: Double)

  /// The number of classes; 0 for `none`.
  package var classCount: Int {
    switch self {
    case .none: 0
    case .classes(let count), .oneHot(let count): count
    case .binary: 2
    }
  }

  /// Returns the predicted class of each of the N samples, in order; of a sequence, of each
  /// position.
  package func predicted(_ outputs: Tensor) -> [Int] {
    switch self {
    case .none: []
    case .classes(let count), .oneHot(let count): AccuracyRule.argmax(outputs, classCount: count)
    case .binary(let threshold):
      outputs.values(Float.self).map { Double($0) > threshold ? 1 : 0 }
    }
  }

  /// Returns the true classes, in the order of `predicted`.
  package func actual(_ targets: Tensor) -> [Int] {
    switch self {
    case .none: []
    case .classes: targets.values(Int64.self).map { Int($0) }
    case .oneHot(let count): AccuracyRule.argmax(targets, classCount: count)
    case .binary: targets.values(Float.self).map { $0 > 0.5 ? 1 : 0 }
    }
  }

  /// Returns the argmax over axis 1 of [N, C, ...], in the order of the other axes; of equal
  /// scores, the first.
  private static func argmax(_ scores: Tensor, classCount: Int) -> [Int] {
    require(
      scores.axisCount >= 2 && scores.shape[1] == classCount,
      "accuracy: scores of shape \(scores.shape) are not [N, \(classCount)]")
    let values = scores.values(Float.self)
    let positions = scores.shape.dropFirst(2).reduce(1, *)
    return (0..<scores.shape[0] * positions).map { index in
      let start = index / positions * classCount * positions + index % positions
      var best = 0
      for c in 1..<max(classCount, 1)
      where values[start + c * positions] > values[start + best * positions] { best = c }
      return best
    }
  }
}

extension AccuracyRule {
  /// Returns the rule that fits the loss's kind of prediction and the data's targets.
  /// - Parameters:
  ///   - target: the type of the data set's targets.
  ///   - form: what an output is compared with.
  ///   - threshold: the probability above which a binary output is class 1.
  ///   - isBinary: whether numeric targets are binary, for a loss that does not imply it.
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
    // The logit whose sigmoid is the threshold.
    case .logits: return .binary(threshold: log(threshold / (1 - threshold)))
    default: return isBinary ? .binary(threshold: threshold) : .none
    }
  }
}
