import Autograd
import Tensors

// Losses that compare prediction and target element by element. Both have the same shape and dtype;
// the mean is over all elements. The formulas are in Autograd's ElementLosses.swift.

/// (prediction - target)^2, PyTorch's MSELoss.
public struct MSELoss: ReducedLoss {
  public let reduction: LossReduction
  public var targetKind: TargetRequirement { .numbers }
  public init(reduction: LossReduction = .mean) { self.reduction = reduction }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    meanSquaredError(prediction, target, divisor: divisor)
  }
}

/// |prediction - target|, PyTorch's L1Loss.
public struct L1Loss: ReducedLoss {
  public let reduction: LossReduction
  public var targetKind: TargetRequirement { .numbers }
  public init(reduction: LossReduction = .mean) { self.reduction = reduction }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    absoluteError(prediction, target, divisor: divisor)
  }
}

/// The absolute error, but a parabola where it is less than beta: PyTorch's SmoothL1Loss.
public struct SmoothL1Loss: ReducedLoss {
  public let beta: Double
  public let reduction: LossReduction
  public var targetKind: TargetRequirement { .numbers }

  public init(beta: Double = 1, reduction: LossReduction = .mean) {
    self.beta = beta
    self.reduction = reduction
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    smoothAbsoluteError(prediction, target, beta: beta, divisor: divisor)
  }
}

/// Half the squared error where the absolute error is at most delta, and linear beyond: PyTorch's
/// HuberLoss.
public struct HuberLoss: ReducedLoss {
  public let delta: Double
  public let reduction: LossReduction
  public var targetKind: TargetRequirement { .numbers }

  public init(delta: Double = 1, reduction: LossReduction = .mean) {
    self.delta = delta
    self.reduction = reduction
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    huberError(prediction, target, delta: delta, divisor: divisor)
  }
}

/// Binary cross-entropy of probabilities: PyTorch's BCELoss.
public struct BCELoss: ReducedLoss {
  public var predictionKind: PredictionKind { .probabilities }
  public let reduction: LossReduction
  public var targetKind: TargetRequirement { .numbers }
  public init(reduction: LossReduction = .mean) { self.reduction = reduction }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    binaryCrossEntropy(prediction, target, divisor: divisor)
  }
}

/// Binary cross-entropy of logits, without a sigmoid before it: PyTorch's BCEWithLogitsLoss.
public struct BCEWithLogitsLoss: ReducedLoss {
  public var predictionKind: PredictionKind { .logits }
  public let reduction: LossReduction
  public var targetKind: TargetRequirement { .numbers }
  public init(reduction: LossReduction = .mean) { self.reduction = reduction }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    binaryCrossEntropyWithLogits(prediction, target, divisor: divisor)
  }
}

/// target (ln target - prediction), PyTorch's KLDivLoss. The prediction is a log-probability.
public struct KLDivLoss: ReducedLoss {
  public let reduction: LossReduction
  public var targetKind: TargetRequirement { .numbers }
  /// Whether the mean is over samples, not elements: PyTorch's "batchmean", the mathematical
  /// divergence.
  public let isMeanOverSamples: Bool
  public let isTargetLog: Bool

  public init(
    reduction: LossReduction = .mean, isMeanOverSamples: Bool = false, isTargetLog: Bool = false
  ) {
    self.reduction = reduction
    self.isMeanOverSamples = isMeanOverSamples
    self.isTargetLog = isTargetLog
  }

  public func count(_ prediction: Tensor, _ target: Tensor) -> Double {
    Double(
      isMeanOverSamples ? prediction.shape.extent(of: 0, op: "KLDivLoss") : prediction.elementCount)
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor {
    kullbackLeibler(prediction, target, isTargetLog: isTargetLog, divisor: divisor)
  }

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor {
    let perSample = isMeanOverSamples ? 1 : prediction.shape.dropFirst().reduce(1, *)
    return self(
      prediction, target, divisor: reduction == .sum ? 1 : Double(globalCount * perSample))
  }
}
