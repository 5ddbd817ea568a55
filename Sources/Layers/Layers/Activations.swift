import Autograd
import Tensors

// Activation layers. They have no parameters; input and output have the same shape, which is
// arbitrary.

extension OutputActivation {
  /// The activation of `module`, if a linear layer can compute it together with its product; else
  /// nil.
  init?(_ module: any Module) {
    switch module {
    case is ReLU: self = .relu
    case is Sigmoid: self = .sigmoid
    case is Tanh: self = .tanh
    default: return nil
    }
  }
}

/// y = x where x > 0, else slope x.
public final class LeakyReLU: Module {
  public let slope: Double

  public init(_ slope: Double = 0.01) { self.slope = slope }

  public func callAsFunction(_ x: Tensor) -> Tensor { x.leakyRelu(slope: slope) }

  public var extraDescription: String { "negative_slope=\(pythonNumber(slope))" }
}

/// y = x times the cumulative distribution function of the standard normal distribution at x.
public final class GELU: Module {
  public init() {}

  public func callAsFunction(_ x: Tensor) -> Tensor { x.gelu() }

  public var extraDescription: String { "approximate='none'" }
}

/// y = x / (1 + e^-x).
public final class SiLU: Module {
  public init() {}

  public func callAsFunction(_ x: Tensor) -> Tensor { x.silu() }
}

/// y = 1 / (1 + e^-x).
public final class Sigmoid: Module {
  public init() {}

  public func callAsFunction(_ x: Tensor) -> Tensor { x.sigmoid() }
}

/// y = tanh x.
public final class Tanh: Module {
  public init() {}

  public func callAsFunction(_ x: Tensor) -> Tensor { x.tanh() }
}

/// y = x where x > limit, else value.
public final class Threshold: Module {
  public let limit, value: Double

  public init(_ limit: Double, _ value: Double) {
    self.limit = limit
    self.value = value
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { x.threshold(limit: limit, value: value) }

  public var extraDescription: String {
    "threshold=\(pythonNumber(limit)), value=\(pythonNumber(value))"
  }
}

/// y = e^x / sum of e^x along an axis.
public final class Softmax: Module {
  public let axis: Int

  public init(axis: Int) { self.axis = axis }

  public func callAsFunction(_ x: Tensor) -> Tensor { x.softmax(axis: axis) }

  public var extraDescription: String { "dim=\(axis)" }
}

/// y = ln(e^x / sum of e^x) along an axis.
public final class LogSoftmax: Module {
  public let axis: Int

  public init(axis: Int) { self.axis = axis }

  public func callAsFunction(_ x: Tensor) -> Tensor { x.logSoftmax(axis: axis) }

  public var extraDescription: String { "dim=\(axis)" }
}
