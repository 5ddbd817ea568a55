import Autograd
import System
import Tensors

// What stands in the forward method of a PyTorch class, as a module of a network that is a list. It
// does not show in `summary`, as it does not there.

/// y = x / divisor, PyTorch's true division: whole numbers give float32.
/// - Input and output of any shape.
public final class Divide: Module {
  public let divisor: Double

  public init(_ divisor: Double) { self.divisor = divisor }

  public func callAsFunction(_ x: Tensor) -> Tensor { x / divisor }

  public var isFunction: Bool { true }
  public var extraDescription: String { pythonNumber(divisor) }
}

/// Every sample under another shape, PyTorch's `x.view(-1, ...)` that keeps the samples apart.
/// - Input [N, ...], output [N, shape].
public final class View: Module {
  public let shape: [Int]

  /// - Precondition: no negative extent.
  public init(_ shape: [Int]) {
    require(shape.allSatisfy { $0 >= 0 }, "View: \(shape) is no shape of a sample")
    self.shape = shape
  }

  /// - Precondition: a sample has as many elements as `shape`.
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
