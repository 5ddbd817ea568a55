import Autograd
import System
import Tensors

// Modules for operations that a PyTorch class writes in its forward method. They let a network that
// is a list of modules contain such operations. `summary` does not show them, as PyTorch does not.

/// y = x / divisor, PyTorch's true division: integers give float32.
/// - Input and output of any shape.
public final class Divide: Module {
  public let divisor: Double

  public init(_ divisor: Double) { self.divisor = divisor }

  public func callAsFunction(_ x: Tensor) -> Tensor { x / divisor }

  public var isFunction: Bool { true }
  public var extraDescription: String { pythonNumber(divisor) }
}

/// Reshapes every sample; PyTorch's `x.view(-1, ...)`, but the first axis always stays.
/// - Input [N, ...], output [N, shape].
public final class View: Module {
  public let shape: [Int]

  /// - Precondition: no negative extent.
  public init(_ shape: [Int]) {
    require(shape.allSatisfy { $0 >= 0 }, "View: \(shape) is no shape of a sample")
    self.shape = shape
  }

  /// - Precondition: a sample has the same number of elements as `shape`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let rows = x.shape.extent(of: 0, op: "View")
    let sample = Shape(Array(x.shape.dropFirst()))
    require(
      sample.elementCount == shape.reduce(1, *),
      "View: a sample of shape \(sample) has \(sample.elementCount) elements, "
        + "\(Shape(shape)) has \(shape.reduce(1, *))")
    return x.reshaped(Shape([rows] + shape))
  }

  public var isFunction: Bool { true }
  public var extraDescription: String { "\(shape)" }
}
