import CKernels
import System
import Tensors

/// The exponential moving average of the weights: average += (weights - average)(1 - decay), and the
/// weights themselves at the first update, as PyTorch's AveragedModel with `get_ema_multi_avg_fn`.
public final class WeightAverage {
  public let decay: Double
  /// As long as the parameter arena; zeros before the first update.
  public let average: Tensor
  public private(set) var updateCount = 0

  /// - Parameters:
  ///   - elementCount: elements of the parameter arena.
  ///   - decay: how much of the average stays at an update; PyTorch's default.
  public init(elementCount: Int, decay: Double = 0.999) {
    require(0 <= decay && decay <= 1, "WeightAverage: the decay must be in 0 ... 1, not \(decay)")
    self.decay = decay
    average = Tensor(zeros: [elementCount])
  }

  /// Takes in the weights after a step.
  /// - parameters: the parameter arena.
  public func update(_ parameters: UnsafeBufferPointer<Float>) {
    require(
      parameters.count == average.elementCount,
      "WeightAverage was made for an arena of \(average.elementCount) elements, not "
        + "\(parameters.count)")
    guard let start = parameters.baseAddress else { return }
    let target = average.pointer(Float.self)
    if updateCount == 0 {
      target.update(from: start, count: parameters.count)
    } else {
      nd_move_towards(target, start, parameters.count, Float(1 - decay))
    }
    updateCount += 1
  }
}
