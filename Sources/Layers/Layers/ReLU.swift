import Autograd
import Tensors

/// y = max(x, 0), element by element.
public final class ReLU: Module {
  public init() {}

  public func callAsFunction(_ x: Tensor) -> Tensor { x.relu() }
}
