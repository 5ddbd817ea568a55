import Autograd
import Tensors

/// Merges axes `startAxis` through `endAxis` into one.
/// - Input [N, ...], output [N, rest] with the defaults, which are those of PyTorch.
public final class Flatten: Module {
  public let startAxis: Int
  public let endAxis: Int

  public init(startAxis: Int = 1, endAxis: Int = -1) {
    self.startAxis = startAxis
    self.endAxis = endAxis
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.flattened(startAxis: startAxis, endAxis: endAxis)
  }

  public var extraDescription: String { "start_dim=\(startAxis), end_dim=\(endAxis)" }
}
