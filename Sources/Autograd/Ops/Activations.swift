import Kernels
import Tensors

// Activation functions. `sigmoid` and `tanh` are in ElementaryFunctions.swift.

extension Tensor {
  /// y = max(x, 0);  dx = dy where y > 0, else 0 (0 at 0, as in PyTorch).
  /// - x: any shape, and any dtype except bool.  Returns x's shape.
  public func relu() -> Tensor {
    let y = Kernels.relu(value)
    return record("relu", inputs: [self], value: y) { dy in [Kernels.reluBackward(dy, y: y)] }
  }

  /// y = x where x > 0, else slope x;  dx = dy there, else slope dy.
  public func leakyRelu(slope: Double = 0.01) -> Tensor {
    activated("leakyRelu", .leakyReLU(slope: slope))
  }

  /// y = x F(x), where F is the cumulative distribution function of the standard normal
  /// distribution, computed with erf;  dx = dy (F(x) + x F'(x)).
  /// - Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016; PyTorch's default form.
  public func gelu() -> Tensor { activated("gelu", .gelu) }

  /// y = x s, s = 1 / (1 + e^-x);  dx = dy s (1 + x (1 - s)).
  public func silu() -> Tensor { activated("silu", .silu) }

  /// y = x where x > limit, else value;  dx = dy there, else 0.
  public func threshold(limit: Double, value: Double) -> Tensor {
    activated("threshold", .threshold(limit: limit, value: value))
  }

  private func activated(_ name: String, _ activation: Activation) -> Tensor {
    let input = value
    return record(name, inputs: [self], value: Kernels.apply(activation, input)) { dy in
      [Kernels.backward(activation, dy, x: input)]
    }
  }

  /// y = e^x / sum of e^x along `axis`, without overflow;  dx = y (dy - sum of dy y along `axis`).
  /// - x: at least one axis.  axis: negative ones count from the last.  Returns x's shape.
  public func softmax(axis: Int) -> Tensor {
    let y = Kernels.softmax(value, axis: axis)
    return record("softmax", inputs: [self], value: y) { dy in
      [Kernels.softmaxBackward(dy, y: y, axis: axis)]
    }
  }

  /// y = x - ln of the sum of e^x along `axis`, without overflow;  dx = dy - e^y sum of dy along
  /// `axis`.
  /// - x: at least one axis.  axis: negative ones count from the last.  Returns x's shape.
  public func logSoftmax(axis: Int) -> Tensor {
    let y = Kernels.softmax(value, axis: axis, logarithm: true)
    return record("logSoftmax", inputs: [self], value: y) { dy in
      [Kernels.softmaxBackward(dy, y: y, axis: axis, logarithm: true)]
    }
  }
}
