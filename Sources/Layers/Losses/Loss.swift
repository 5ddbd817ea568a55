import Autograd
import Tensors

/// What training makes smaller.
public protocol Loss: Sendable {
  /// This part's share of the loss of a batch: a sum over the part's samples divided by what the mean
  /// over the whole global batch divides by, so that the parts add up to the batch's mean. (With the
  /// reduction `sum` nothing is divided.)
  /// - Parameters:
  ///   - prediction: the network's output for n samples.
  ///   - target: their targets.
  ///   - globalCount: samples in the global batch.
  /// - Returns: a scalar.
  func callAsFunction(_ prediction: Tensor, _ target: Tensor, globalCount: Int) -> Tensor
}

/// How a loss makes one number of many.
public enum LossReduction: Sendable, Equatable { case mean, sum }

/// A loss that is a sum over something divided by how much of it there is, as PyTorch's with
/// `reduction='mean'` and `'sum'`.
public protocol ReducedLoss: Loss {
  var reduction: LossReduction { get }

  /// What the mean over this part divides by: its elements, unless the loss says otherwise.
  func count(_ prediction: Tensor, _ target: Tensor) -> Double

  /// The sum over this part / divisor. With the sum of the parts' counts as divisor, the parts add up
  /// to the mean over all.
  func callAsFunction(_ prediction: Tensor, _ target: Tensor, divisor: Double) -> Tensor
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
    // Every sample counts as much as the others.
    let perSample = prediction.shape.dropFirst().reduce(1, *)
    return self(
      prediction, target, divisor: reduction == .sum ? 1 : Double(globalCount * perSample))
  }
}
