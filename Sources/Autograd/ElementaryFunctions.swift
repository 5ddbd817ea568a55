import Kernels
import TensorCore

extension Tensor {
  /// y = f(x), element by element;  dx = dy f'(x), which `slope` gives from x and y.
  private func elementwise(
    _ name: String, _ operation: UnaryOperation, _ slope: @escaping (_ x: Tensor, _ y: Tensor) -> Tensor
  ) -> Tensor {
    let x = value
    let y = Kernels.apply(operation, x)
    return record(name, inputs: [self], value: y) { dy in
      [Kernels.apply(.multiply, dy, noGrad { slope(x, y) })]
    }
  }

  /// |x|;  dx = dy sign(x).
  public func abs() -> Tensor { elementwise("abs", .absolute) { x, _ in x.sign() } }
  /// -1, 0 or 1; no gradient but 0.
  public func sign() -> Tensor { elementwise("sign", .sign) { x, _ in x * 0 } }
  /// x^2;  dx = 2 x dy.
  public func square() -> Tensor { elementwise("square", .square) { x, _ in 2 * x } }
  /// sqrt(x);  dx = dy / (2 y).
  public func sqrt() -> Tensor { elementwise("sqrt", .squareRoot) { _, y in 0.5 / y } }
  /// 1 / x;  dx = -dy y^2.
  public func reciprocal() -> Tensor { elementwise("reciprocal", .reciprocal) { _, y in -(y * y) } }
  /// e^x;  dx = dy y.
  public func exp() -> Tensor { elementwise("exp", .elementary(.exp)) { _, y in y } }
  /// e^x - 1, exact near 0;  dx = dy (y + 1).
  public func expm1() -> Tensor { elementwise("expm1", .elementary(.expm1)) { _, y in y + 1 } }
  /// ln x;  dx = dy / x.
  public func log() -> Tensor { elementwise("log", .elementary(.log)) { x, _ in 1 / x } }
  /// log2 x;  dx = dy / (x ln 2).
  public func log2() -> Tensor {
    elementwise("log2", .elementary(.log2)) { x, _ in 1 / (x * 0.693147180559945309) }
  }
  /// log10 x;  dx = dy / (x ln 10).
  public func log10() -> Tensor {
    elementwise("log10", .elementary(.log10)) { x, _ in 1 / (x * 2.302585092994045684) }
  }
  /// ln(1 + x), exact near 0;  dx = dy / (1 + x).
  public func log1p() -> Tensor { elementwise("log1p", .elementary(.log1p)) { x, _ in 1 / (x + 1) } }
  /// dx = dy cos x.
  public func sin() -> Tensor { elementwise("sin", .elementary(.sin)) { x, _ in x.cos() } }
  /// dx = -dy sin x.
  public func cos() -> Tensor { elementwise("cos", .elementary(.cos)) { x, _ in -x.sin() } }
  /// dx = dy (1 + y^2).
  public func tan() -> Tensor { elementwise("tan", .elementary(.tan)) { _, y in y * y + 1 } }
  /// dx = dy / sqrt(1 - x^2).
  public func asin() -> Tensor {
    elementwise("asin", .elementary(.asin)) { x, _ in 1 / (1 - x * x).sqrt() }
  }
  /// dx = -dy / sqrt(1 - x^2).
  public func acos() -> Tensor {
    elementwise("acos", .elementary(.acos)) { x, _ in -1 / (1 - x * x).sqrt() }
  }
  /// dx = dy / (1 + x^2).
  public func atan() -> Tensor { elementwise("atan", .elementary(.atan)) { x, _ in 1 / (x * x + 1) } }
  /// dx = dy cosh x.
  public func sinh() -> Tensor { elementwise("sinh", .elementary(.sinh)) { x, _ in x.cosh() } }
  /// dx = dy sinh x.
  public func cosh() -> Tensor { elementwise("cosh", .elementary(.cosh)) { x, _ in x.sinh() } }
  /// dx = dy (1 - y^2).
  public func tanh() -> Tensor { elementwise("tanh", .elementary(.tanh)) { _, y in 1 - y * y } }
  /// The error function;  dx = dy 2 / sqrt(pi) e^(-x^2).
  public func erf() -> Tensor {
    elementwise("erf", .elementary(.erf)) { x, _ in 1.128379167095512574 * (-(x * x)).exp() }
  }
  /// 1 / (1 + e^-x);  dx = dy y (1 - y).
  public func sigmoid() -> Tensor { elementwise("sigmoid", .sigmoid) { _, y in y * (1 - y) } }

  /// The largest whole number not above x; no gradient but 0, as for the three below.
  public func floor() -> Tensor { elementwise("floor", .floor) { x, _ in x * 0 } }
  /// The smallest whole number not below x.
  public func ceil() -> Tensor { elementwise("ceil", .ceil) { x, _ in x * 0 } }
  /// The nearest whole number, the even one of two.
  public func round() -> Tensor { elementwise("round", .round) { x, _ in x * 0 } }
  /// The whole part.
  public func trunc() -> Tensor { elementwise("trunc", .truncate) { x, _ in x * 0 } }

  /// x, but at least `least` and at most `most`;  dx = dy where x is within, both ends included.
  public func clamp(least: Double = -.infinity, most: Double = .infinity) -> Tensor {
    let x = value
    let y = Kernels.apply(
      .minimum, Kernels.apply(.maximum, x, x.scalar(least)), x.scalar(most))
    return record("clamp", inputs: [self], value: y) { dy in
      [Kernels.select(Kernels.compare(.equal, x, y), dy, dy.scalar(0))]
    }
  }
}
