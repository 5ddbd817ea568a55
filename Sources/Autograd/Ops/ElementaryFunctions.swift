import Kernels
import Tensors

extension Tensor {
  /// y = f(x), element by element;  dx = dy f'(x). `slope` computes f'(x) from x.
  private func elementwise(
    _ name: String, _ operation: UnaryOperation, ofInput slope: @escaping (_ x: Tensor) -> Tensor
  ) -> Tensor {
    let x = value
    return record(name, inputs: [self], value: Kernels.apply(operation, x), saving: [x]) { dy in
      [Kernels.apply(.multiply, dy, slope(x))]
    }
  }

  /// `elementwise` with a `slope` that computes f'(x) from y, so that x is not saved.
  private func elementwise(
    _ name: String, _ operation: UnaryOperation, ofResult slope: @escaping (_ y: Tensor) -> Tensor
  ) -> Tensor {
    let y = Kernels.apply(operation, value)
    return record(name, inputs: [self], value: y, saving: [y]) { dy in
      [Kernels.apply(.multiply, dy, slope(y))]
    }
  }

  /// `elementwise` with a kernel that computes dx from dy and y.
  private func elementwise(_ name: String, byKernel operation: UnaryOperation) -> Tensor {
    let y = Kernels.apply(operation, value)
    return record(name, inputs: [self], value: y, saving: [y]) { dy in
      [Kernels.backward(operation, dy, y: y)]
    }
  }

  /// A step function, whose gradient is 0 everywhere.
  private func stepwise(_ name: String, _ operation: UnaryOperation) -> Tensor {
    let y = Kernels.apply(operation, value)
    return record(name, inputs: [self], value: y, saving: []) { dy in
      [Tensor(zeros: dy.shape, dy.dtype)]
    }
  }

  /// |x|;  dx = dy sign(x).
  public func abs() -> Tensor { elementwise("abs", .absolute, ofInput: { x in x.sign() }) }
  /// -1, 0 or 1;  dx = 0.
  public func sign() -> Tensor { stepwise("sign", .sign) }
  /// x^2;  dx = 2 x dy.
  public func square() -> Tensor { elementwise("square", .square, ofInput: { x in 2 * x }) }
  /// sqrt(x);  dx = dy / (2 y).
  public func sqrt() -> Tensor { elementwise("sqrt", .squareRoot, ofResult: { y in 0.5 / y }) }
  /// 1 / x;  dx = -dy y^2.
  public func reciprocal() -> Tensor {
    elementwise("reciprocal", .reciprocal, ofResult: { y in -(y * y) })
  }
  /// e^x;  dx = dy y.
  public func exp() -> Tensor { elementwise("exp", .elementary(.exp), ofResult: { y in y }) }
  /// e^x - 1, accurate near 0;  dx = dy (y + 1).
  public func expm1() -> Tensor {
    elementwise("expm1", .elementary(.expm1), ofResult: { y in y + 1 })
  }
  /// ln x;  dx = dy / x.
  public func log() -> Tensor { elementwise("log", .elementary(.log), ofInput: { x in 1 / x }) }
  /// log2 x;  dx = dy / (x ln 2).
  public func log2() -> Tensor {
    elementwise("log2", .elementary(.log2), ofInput: { x in 1 / (x * 0.693147180559945309) })
  }
  /// log10 x;  dx = dy / (x ln 10).
  public func log10() -> Tensor {
    elementwise("log10", .elementary(.log10), ofInput: { x in 1 / (x * 2.302585092994045684) })
  }
  /// ln(1 + x), accurate near 0;  dx = dy / (1 + x).
  public func log1p() -> Tensor {
    elementwise("log1p", .elementary(.log1p), ofInput: { x in 1 / (x + 1) })
  }
  /// dx = dy cos x.
  public func sin() -> Tensor { elementwise("sin", .elementary(.sin), ofInput: { x in x.cos() }) }
  /// dx = -dy sin x.
  public func cos() -> Tensor { elementwise("cos", .elementary(.cos), ofInput: { x in -x.sin() }) }
  /// dx = dy (1 + y^2).
  public func tan() -> Tensor {
    elementwise("tan", .elementary(.tan), ofResult: { y in y * y + 1 })
  }
  /// dx = dy / sqrt(1 - x^2).
  public func asin() -> Tensor {
    elementwise("asin", .elementary(.asin), ofInput: { x in 1 / (1 - x * x).sqrt() })
  }
  /// dx = -dy / sqrt(1 - x^2).
  public func acos() -> Tensor {
    elementwise("acos", .elementary(.acos), ofInput: { x in -1 / (1 - x * x).sqrt() })
  }
  /// dx = dy / (1 + x^2).
  public func atan() -> Tensor {
    elementwise("atan", .elementary(.atan), ofInput: { x in 1 / (x * x + 1) })
  }
  /// dx = dy cosh x.
  public func sinh() -> Tensor {
    elementwise("sinh", .elementary(.sinh), ofInput: { x in x.cosh() })
  }
  /// dx = dy sinh x.
  public func cosh() -> Tensor {
    elementwise("cosh", .elementary(.cosh), ofInput: { x in x.sinh() })
  }
  /// dx = dy (1 - y^2).
  public func tanh() -> Tensor { elementwise("tanh", byKernel: .elementary(.tanh)) }
  /// The error function;  dx = dy 2 / sqrt(pi) e^(-x^2).
  public func erf() -> Tensor {
    elementwise("erf", .elementary(.erf), ofInput: { x in 1.128379167095512574 * (-(x * x)).exp() })
  }
  /// 1 / (1 + e^-x);  dx = dy y (1 - y).
  public func sigmoid() -> Tensor { elementwise("sigmoid", byKernel: .sigmoid) }

  /// The largest whole number not above x;  dx = 0.
  public func floor() -> Tensor { stepwise("floor", .floor) }
  /// The smallest whole number not below x;  dx = 0.
  public func ceil() -> Tensor { stepwise("ceil", .ceil) }
  /// The nearest whole number, the even one in a tie;  dx = 0.
  public func round() -> Tensor { stepwise("round", .round) }
  /// x without its fraction, rounded towards 0;  dx = 0.
  public func trunc() -> Tensor { stepwise("trunc", .truncate) }

  /// x limited to `minimum` ... `maximum`;  dx = dy where x is in that range, both ends included,
  /// else 0. If `minimum` is greater than `maximum`, the result is `maximum`, as in PyTorch.
  public func clamp(minimum: Double = -.infinity, maximum: Double = .infinity) -> Tensor {
    let x = value
    var y = x
    // An infinite bound is no bound. An integer dtype could not represent it.
    if minimum > -.infinity { y = Kernels.apply(.maximum, y, x.scalar(minimum)) }
    if maximum < .infinity { y = Kernels.apply(.minimum, y, x.scalar(maximum)) }
    return record("clamp", inputs: [self], value: y, saving: [x]) { dy in
      let zero = dy.scalar(0)
      let above = Kernels.select(
        Kernels.compare(.greaterOrEqual, x, x.scalar(minimum)), dy, zero)
      return [Kernels.select(Kernels.compare(.lessOrEqual, x, x.scalar(maximum)), above, zero)]
    }
  }
}
