import Autograd
import Tensors

/// y = w x^2 + b, where w and b are initialized to 1 (system S08).
/// - Input and output of any shape.
public final class Parabola: Module {
  public let w, b: Tensor  // no axes

  public init() {
    w = newParameter([])
    b = newParameter([])
    fillParameters(seed: 0)
  }

  public func visit(_ v: inout Visitor) {
    v("w", w, .ones)
    v("b", b, .ones)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { w * x.square() + b }
}

/// A trained number that is the output for every input. Its mean squared error against 0 is the
/// parabola x^2, which gradient descent minimizes (system S07).
/// - Input [N, ...], output [N, 1].
public final class Point: Module {
  public let start: Double
  public let x: Tensor  // no axes

  public init(start: Double) {
    self.start = start
    x = newParameter([])
    fillParameters(seed: 0)
  }

  public func visit(_ v: inout Visitor) { v("x", x, .constant(Float(start))) }

  public func callAsFunction(_ samples: Tensor) -> Tensor {
    x.expanded(to: [samples.shape.extent(of: 0, op: "Point"), 1])
  }
}
