import Autograd
import TensorCore

/// What training makes smaller.
public protocol Loss: Sendable {
  /// This part's share of the loss of a batch: a sum over the part's samples divided by the number
  /// of samples of the whole global batch, so that the parts add up to the batch's mean.
  /// - Parameters:
  ///   - prediction: the network's output for n samples.
  ///   - target: their targets.
  ///   - globalCount: samples in the global batch.
  /// - Returns: a scalar.
  func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor
}

/// -log softmax(prediction)[target], PyTorch's CrossEntropyLoss.
/// - prediction: [N, C] logits (no softmax before it).  target: [N] int64.
public struct CrossEntropyLoss: Loss {
  public init() {}

  public func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor {
    crossEntropy(prediction, targets: target, divisor: globalCount)
  }
}
