import Tensors

/// Elementwise activation functions, with their derivatives.
public enum Activation: Equatable, Sendable {
  /// x where x > 0, else slope x.
  case leakyReLU(slope: Double)
  /// x times the standard normal distribution function at x, by erf (Hendrycks and Gimpel, 2016).
  case gelu
  /// x / (1 + e^-x).
  case silu
  /// x where x > limit, else value.
  case threshold(limit: Double, value: Double)

  @inline(__always)
  fileprivate func evaluate<T: RealScalar>(_ x: T) -> T {
    switch self {
    case .leakyReLU(let slope): x > 0 ? x : x * T(slope)
    case .gelu: x * normalDistribution(x)
    case .silu: x * logistic(x)
    case .threshold(let limit, let value): x <= T(limit) ? T(value) : x
    }
  }

  @inline(__always)
  fileprivate func slope<T: RealScalar>(at x: T) -> T {
    switch self {
    case .leakyReLU(let slope): return x > 0 ? 1 : T(slope)
    case .gelu:
      let density = T(0.398942280401432678) * T.evaluate(.exp, -x * x / 2)
      return normalDistribution(x) + x * density
    case .silu:
      let s = logistic(x)
      return s * (1 + x * (1 - s))
    case .threshold(let limit, _): return x <= T(limit) ? 0 : 1
    }
  }
}

@inline(__always)
private func normalDistribution<T: RealScalar>(_ x: T) -> T {
  (1 + T.evaluate(.erf, x * T(0.707106781186547524))) / 2
}

@inline(__always)
private func logistic<T: RealScalar>(_ x: T) -> T {
  let e = T.evaluate(.exp, -abs(x))
  return (x >= 0 ? 1 : e) / (1 + e)
}

/// y = f(x), element by element.
/// - x: float32 or float64, any shape.  Returns x's shape.
public func apply(_ activation: Activation, _ x: Tensor) -> Tensor {
  withReal(
    "\(activation)", x.dtype, { mapElements(x) { (v: Float) in activation.evaluate(v) } },
    { mapElements(x) { (v: Double) in activation.evaluate(v) } })
}

/// dx = dy f'(x), element by element.
public func backward(_ activation: Activation, _ dy: Tensor, x: Tensor) -> Tensor {
  let op = "\(activation) backward"
  return withReal(
    op, x.dtype,
    { zipElements(op, dy, x) { (d: Float, v: Float) in d * activation.slope(at: v) } },
    { zipElements(op, dy, x) { (d: Double, v: Double) in d * activation.slope(at: v) } })
}
