import Autograd
import System
import Tensors

/// -log softmax(prediction)[target], PyTorch's CrossEntropyLoss.
/// - prediction: [N, C] logits (no softmax before it), or [N, C, ...].  target: int64, that shape
///   without C; or probabilities of each class, of the prediction's shape.
public struct CrossEntropyLoss: ReducedLoss {
  public let counting: ClassCounting
  public let reduction: LossReduction
  public var predictionKind: PredictionKind { .classLogits }
  public var targetKind: TargetRequirement { .classesOrDistributions }

  /// - Parameters:
  ///   - weights: how much a sample of each class counts.
  ///   - ignoredTarget: samples of this target count nothing. PyTorch's default is -100; here a
  ///     negative target is an error unless it is asked for.
  ///   - labelSmoothing: the part of a target that is spread over all classes.
  public init(
    weights: [Double]? = nil, ignoredTarget: Int? = nil, labelSmoothing: Double = 0,
    reduction: LossReduction = .mean
  ) {
    counting = ClassCounting(
      weights: weights, ignoredTarget: ignoredTarget, labelSmoothing: labelSmoothing)
    self.reduction = reduction
  }

  public func count(_ prediction: Tensor, _ target: Tensor) -> Double {
    if target.dtype == .int64 { return counting.count(target) }
    let classes = prediction.axisCount == 1 ? prediction.shape[0] : prediction.shape[1]
    return Double(prediction.elementCount / max(classes, 1))
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    target.dtype == .int64
      ? crossEntropy(prediction, targets: target, counting: counting, divisor: divisor)
      : crossEntropy(prediction, probabilities: target, counting: counting, divisor: divisor)
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor {
    let isPlain = counting == ClassCounting() && reduction == .mean
    if isPlain && prediction.axisCount == 2 && target.dtype == .int64 {
      return crossEntropy(prediction, targets: target, divisor: globalCount)  // the fast kernel
    }
    return shared(self, counting, prediction, target, globalCount)
  }
}

/// -prediction[target], PyTorch's NLLLoss.
/// - prediction: [N, C] log-probabilities, or [N, C, ...].  target: int64, that shape without C.
public struct NLLLoss: ReducedLoss {
  public let counting: ClassCounting
  public let reduction: LossReduction
  public var predictionKind: PredictionKind { .classLogProbabilities }
  public var targetKind: TargetRequirement { .classes }

  public init(
    weights: [Double]? = nil, ignoredTarget: Int? = nil, reduction: LossReduction = .mean
  ) {
    counting = ClassCounting(weights: weights, ignoredTarget: ignoredTarget)
    self.reduction = reduction
  }

  public func count(_ prediction: Tensor, _ target: Tensor) -> Double { counting.count(target) }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    negativeLogLikelihood(prediction, targets: target, counting: counting, divisor: divisor)
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor {
    shared(self, counting, prediction, target, globalCount)
  }
}

/// The share of a part whose samples all count alike.
/// - Precondition: a number of samples tells what the mean divides by: no class weights with class
///   targets, and no target that is ignored.
private func shared(
  _ loss: some ReducedLoss, _ counting: ClassCounting, _ prediction: Tensor, _ target: Tensor,
  _ globalCount: Int
) -> Tensor {
  if loss.reduction == .sum { return loss(prediction, target, divisor: 1) }
  require(
    target.dtype != .int64 || (counting.weights == nil && counting.ignoredTarget == nil),
    "a mean with class weights or an ignored target divides by a sum over the global batch, which its "
      + "\(globalCount) samples do not tell: pass the sum of count(prediction, target) over all shards "
      + "as divisor")
  let positions = prediction.shape.dropFirst(2).reduce(1, *)
  return loss(prediction, target, divisor: Double(globalCount * positions))
}
