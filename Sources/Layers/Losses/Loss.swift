import Autograd
import Tensors

/// A function that training minimizes.
///
/// A loss of one prediction and one target conforms to `ReducedLoss`. A loss of several outputs and
/// targets conforms to `Loss`:
///
///     struct RatingLoss: Loss {
///       func callAsFunction(
///         _ outputs: NamedTensors, _ targets: NamedTensors, globalCount: Int
///       ) -> Tensor {
///         MSELoss()(outputs["score"], targets["rating"], globalCount: globalCount)
///           + CrossEntropyLoss()(outputs["kind"], targets["kind"], globalCount: globalCount) * 0.1
///       }
///     }
public protocol Loss: Sendable {
  /// Returns one shard's part of the loss of a global batch: the sum over the part's samples
  /// divided by `globalCount`, so that the parts add up to the batch's mean. (With the reduction
  /// `sum`, it is not divided.)
  /// - Parameters:
  ///   - outputs: the network's outputs for the part's n samples.
  ///   - targets: the samples' targets.
  ///   - globalCount: the number of samples in the global batch.
  /// - Returns: a scalar.
  func callAsFunction(
    _ outputs: NamedTensors, _ targets: NamedTensors, globalCount: Int
  ) -> Tensor

  /// How this loss interprets the network's output. It determines what `predict` prints, and when a
  /// sample is classified correctly. The default is `.values`.
  var predictionKind: PredictionKind { get }

  /// The targets this loss accepts. The default is `.any`.
  var targetKind: TargetRequirement { get }
}

extension Loss {
  public var predictionKind: PredictionKind { .values }
  public var targetKind: TargetRequirement { .any }
}

/// How a loss interprets the output of a network.
public enum PredictionKind: Sendable, Equatable {
  /// Numbers with no further meaning.
  case values
  /// Probabilities in 0 ... 1.
  case probabilities
  /// Independent scores; their sigmoid is a probability.
  case logits
  /// Class scores [N, C, ...]; their softmax over axis 1 gives probabilities.
  case classLogits
  /// Log-probabilities of the classes [N, C, ...].
  case classLogProbabilities

  /// Converts `outputs` to probabilities; nil for `.values`.
  public func probabilities(_ outputs: Tensor) -> Tensor? {
    switch self {
    case .values: nil
    case .probabilities: outputs
    case .logits: outputs.sigmoid()
    case .classLogits: outputs.softmax(axis: 1)
    case .classLogProbabilities: outputs.exp()
    }
  }
}

/// The targets that a loss accepts.
public enum TargetRequirement: Sendable, Equatable {
  case any
  /// Numbers, one for each number of the prediction.
  case numbers
  /// A class index, where the prediction has a score for each class; or a probability for each
  /// class.
  case classesOrDistributions
  /// A class index only.
  case classes
}

/// How a loss reduces the values of a batch to one number.
public enum LossReduction: Sendable, Equatable { case mean, sum }

/// A loss of one prediction and one target: a sum divided by a count, like PyTorch's losses with
/// `reduction='mean'` and `'sum'`.
public protocol ReducedLoss: Loss {
  var reduction: LossReduction { get }

  /// Returns the divisor of the mean over this part: by default, its number of elements.
  func count(_ prediction: Tensor, _ target: Tensor) -> Double

  /// Returns the sum over this part divided by `divisor`. If the divisor is the sum of all parts'
  /// counts, the parts add up to the mean over all.
  func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor

  /// Returns one shard's part of the loss of a global batch of `globalCount` samples.
  func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor
}

extension ReducedLoss {
  public func count(_ prediction: Tensor, _ target: Tensor) -> Double {
    Double(prediction.elementCount)
  }

  /// Returns the mean or the sum over this part alone, like a PyTorch loss.
  public func callAsFunction(_ prediction: Tensor, _ target: Tensor) -> Tensor {
    self(
      prediction, target, divisor: reduction == .sum ? 1 : count(prediction, target))
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor {
    // Every sample has the same weight.
    let perSample = prediction.shape.dropFirst().reduce(1, *)
    return self(
      prediction, target, divisor: reduction == .sum ? 1 : Double(globalCount * perSample))
  }

  public func callAsFunction(
    _ outputs: NamedTensors, _ targets: NamedTensors, globalCount: Int
  ) -> Tensor {
    self(outputs.only, targets.only, globalCount: globalCount)
  }
}
