import Autograd
import Tensors

/// What training minimizes.
///
/// A loss of one prediction and one target conforms to `ReducedLoss`. A loss over several outputs and targets
/// conforms to `Loss`:
///
///     struct RatingLoss: Loss {
///       func callAsFunction(_ outputs: NamedTensors, _ targets: NamedTensors, globalCount: Int) -> Tensor {
///         MSELoss()(outputs["score"], targets["rating"], globalCount: globalCount)
///           + CrossEntropyLoss()(outputs["kind"], targets["kind"], globalCount: globalCount) * 0.1
///       }
///     }
public protocol Loss: Sendable {
  /// One shard's part of the loss of a global batch: the sum over the part's samples divided by
  /// `globalCount`, so that the parts add up to the batch's mean. (With the reduction `sum` nothing is
  /// divided.)
  /// - Parameters:
  ///   - outputs: what the network computed of the part's n samples.
  ///   - targets: the samples' targets.
  ///   - globalCount: the number of samples in the global batch.
  /// - Returns: a scalar.
  func callAsFunction(
    _ outputs: NamedTensors, _ targets: NamedTensors, globalCount: Int
  ) -> Tensor

  /// What the network's output means to this loss; decides what `predict` prints and when a sample counts
  /// as classified right. The default is `.values`.
  var predictionKind: PredictionKind { get }

  /// The targets this loss accepts. The default is `.any`.
  var targetKind: TargetRequirement { get }
}

extension Loss {
  public var predictionKind: PredictionKind { .values }
  public var targetKind: TargetRequirement { .any }
}

/// What the output of a network is to its loss.
public enum PredictionKind: Sendable, Equatable {
  /// Numbers with no further meaning.
  case values
  /// Probabilities in 0 ... 1.
  case probabilities
  /// Independent scores, of which a sigmoid makes probabilities.
  case logits
  /// Scores of classes [N, C, ...], of which a softmax over axis 1 makes probabilities.
  case classLogits
  /// Logarithms of the classes' probabilities [N, C, ...].
  case classLogProbabilities

  /// The probabilities that `outputs` stand for; nil for `.values`.
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

/// Which targets a loss accepts.
public enum TargetRequirement: Sendable, Equatable {
  case any
  /// Numbers, as many as the prediction has.
  case numbers
  /// A class, of which the prediction has a score each; or a number for each class.
  case classesOrDistributions
  /// A class and nothing else.
  case classes
}

/// How a loss reduces the values of a batch to one number.
public enum LossReduction: Sendable, Equatable { case mean, sum }

/// A loss of one prediction and one target: a sum divided by a count, as PyTorch's losses with
/// `reduction='mean'` and `'sum'`.
public protocol ReducedLoss: Loss {
  var reduction: LossReduction { get }

  /// What the mean over this part is divided by: the number of its elements, unless the loss says otherwise.
  func count(_ prediction: Tensor, _ target: Tensor) -> Double

  /// The sum over this part divided by `divisor`. With the sum of all parts' counts as divisor, the parts add
  /// up to the mean over all.
  func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor

  /// One shard's part of the loss of a global batch of `globalCount` samples.
  func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor
}

extension ReducedLoss {
  public func count(_ prediction: Tensor, _ target: Tensor) -> Double {
    Double(prediction.elementCount)
  }

  /// The mean or the sum over this part alone: PyTorch's call.
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
