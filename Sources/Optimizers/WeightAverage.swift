import CKernels
import System
import Tensors

/// The exponential moving average of the weights, as PyTorch's AveragedModel with
/// `get_ema_multi_avg_fn`: average += (weights - average)(1 - decay). The first update copies the
/// weights.
public final class WeightAverage {
  public let decay: Double
  /// The average, with as many elements as the parameter arena; zeros before the first update.
  public let average: Tensor
  public private(set) var updateCount = 0

  /// - Parameters:
  ///   - elementCount: elements of the parameter arena.
  ///   - decay: the fraction of the old average that an update keeps; the default is PyTorch's.
  public init(elementCount: Int, decay: Double = 0.999) {
    require(0 <= decay && decay <= 1, "WeightAverage: the decay must be in 0 ... 1, not \(decay)")
    self.decay = decay
    average = Tensor(zeros: [elementCount])
  }

  /// Updates the average with the weights after a step.
  /// - Parameter parameters: the parameter arena.
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
