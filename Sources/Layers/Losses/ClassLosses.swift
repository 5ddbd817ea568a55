import Autograd
import System
import Tensors

/// -log softmax(prediction)[target], PyTorch's CrossEntropyLoss.
/// - prediction: logits [N, C] or [N, C, ...], without a softmax. target: int64 classes of the
///   prediction's shape without C, or probabilities of the prediction's shape.
public struct CrossEntropyLoss: ReducedLoss {
  public let counting: ClassCounting
  public let reduction: LossReduction
  public var predictionKind: PredictionKind { .classLogits }
  public var targetKind: TargetRequirement { .classesOrDistributions }

  /// - Parameters:
  ///   - weights: the weight of each class's samples.
  ///   - ignoredTarget: samples with this target are ignored. PyTorch's default is -100; here a
  ///     negative target is an error unless it is given here.
  ///   - labelSmoothing: the fraction of a target's probability that is spread over all classes.
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
    return shardPart(self, counting, prediction, target, globalCount)
  }
}

/// -prediction[target], PyTorch's NLLLoss.
/// - prediction: log-probabilities [N, C] or [N, C, ...]. target: int64 classes of the prediction's
///   shape without C.
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
    shardPart(self, counting, prediction, target, globalCount)
  }
}

/// Returns a shard's part of the loss, if all samples have the same weight.
/// - Precondition: the divisor of the mean follows from the number of samples: with class targets
///   there are no class weights and no ignored target.
private func shardPart(
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
