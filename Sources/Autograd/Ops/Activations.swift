import Kernels
import Tensors

/// y = max(x, 0);  dx = dy where y > 0, else 0 (0 at 0, as in PyTorch).
/// - x: any shape and dtype but bool.  Returns x's shape.
public func relu(_ x: Tensor) -> Tensor {
  let y = Kernels.relu(x.value)
  return record("relu", inputs: [x], value: y) { dy in [Kernels.reluBackward(dy, y: y)] }
}

/// y = x where x > 0, else slope x;  dx = dy there, else slope dy.
public func leakyRelu(_ x: Tensor, slope: Double = 0.01) -> Tensor {
  activated("leakyRelu", .leakyReLU(slope: slope), x)
}

/// y = x F(x), F the standard normal distribution's function, by erf;  dx = dy (F(x) + x F'(x)).
/// - Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016; PyTorch's default form.
public func gelu(_ x: Tensor) -> Tensor { activated("gelu", .gelu, x) }

/// y = x s, s = 1 / (1 + e^-x);  dx = dy s (1 + x (1 - s)).
public func silu(_ x: Tensor) -> Tensor { activated("silu", .silu, x) }

/// y = x where x > limit, else value;  dx = dy there, else 0.
public func threshold(_ x: Tensor, limit: Double, value: Double) -> Tensor {
  activated("threshold", .threshold(limit: limit, value: value), x)
}

private func activated(_ name: String, _ activation: Activation, _ x: Tensor) -> Tensor {
  let input = x.value
  return record(name, inputs: [x], value: Kernels.apply(activation, input)) { dy in
    [Kernels.backward(activation, dy, x: input)]
  }
}

/// y = e^x / sum of e^x along `axis`, without overflow;  dx = y (dy - sum of dy y along `axis`).
/// - x: at least one axis.  axis: negative ones count from the last.  Returns x's shape.
public func softmax(_ x: Tensor, axis: Int) -> Tensor {
  let y = Kernels.softmax(x.value, axis: axis)
  return record("softmax", inputs: [x], value: y) { dy in
    [Kernels.softmaxBackward(dy, y: y, axis: axis)]
  }
}

/// y = x - ln of the sum of e^x along `axis`, without overflow;  dx = dy - e^y sum of dy along `axis`.
/// - x: at least one axis.  axis: negative ones count from the last.  Returns x's shape.
public func logSoftmax(_ x: Tensor, axis: Int) -> Tensor {
  let y = Kernels.softmax(x.value, axis: axis, logarithm: true)
  return record("logSoftmax", inputs: [x], value: y) { dy in
    [Kernels.softmaxBackward(dy, y: y, axis: axis, logarithm: true)]
  }
}
