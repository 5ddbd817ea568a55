import Autograd
import System
import Tensors

/// In training mode sets each element to 0 with probability `rate` and multiplies the others by
/// 1 / (1 - rate); in evaluation mode returns the input itself.
/// - Input and output [N, ...], one row for each sample.
public final class Dropout: RandomLayer {
  public let rate: Double
  public let random: RandomSource
  public var isTraining: Bool { random.isTraining }

  /// - Precondition: 0 <= rate <= 1.
  public init(_ rate: Double = 0.5, seed: UInt64 = 0) {
    require(rate >= 0 && rate <= 1, "Dropout: the rate must be in 0 ... 1, not \(rate)")
    self.rate = rate
    random = RandomSource(seed: seed)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    guard random.isTraining else { return x }
    return dropout(x, rate: rate, key: random.key(rows: x.shape.extent(of: 0, op: "Dropout")))
  }

  public var extraDescription: String { "p=\(pythonNumber(rate)), inplace=False" }
}
