import Glibc
import Tensors

/// A floating-point element type with the elementary functions of libm.
public protocol RealScalar: TensorScalar, BinaryFloatingPoint {
  static func evaluate(_ function: ElementaryFunction, _ x: Self) -> Self
  static func raised(_ x: Self, to exponent: Self) -> Self
}

/// The functions of libm that tensors support.
public enum ElementaryFunction: String, CaseIterable, Sendable {
  case exp, expm1, log, log2, log10, log1p
  case sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, erf
}

extension Float: RealScalar {
  public static func raised(_ x: Float, to exponent: Float) -> Float { powf(x, exponent) }

  @inlinable
  public static func evaluate(_ function: ElementaryFunction, _ x: Float) -> Float {
    switch function {
    case .exp: expf(x)
    case .expm1: expm1f(x)
    case .log: logf(x)
    case .log2: log2f(x)
    case .log10: log10f(x)
    case .log1p: log1pf(x)
    case .sin: sinf(x)
    case .cos: cosf(x)
    case .tan: tanf(x)
    case .asin: asinf(x)
    case .acos: acosf(x)
    case .atan: atanf(x)
    case .sinh: sinhf(x)
    case .cosh: coshf(x)
    case .tanh: tanhf(x)
    case .erf: erff(x)
    }
  }
}

extension Double: RealScalar {
  public static func raised(_ x: Double, to exponent: Double) -> Double { pow(x, exponent) }

  @inlinable
  public static func evaluate(_ function: ElementaryFunction, _ x: Double) -> Double {
    switch function {
    case .exp: Glibc.exp(x)
    case .expm1: Glibc.expm1(x)
    case .log: Glibc.log(x)
    case .log2: Glibc.log2(x)
    case .log10: Glibc.log10(x)
    case .log1p: Glibc.log1p(x)
    case .sin: Glibc.sin(x)
    case .cos: Glibc.cos(x)
    case .tan: Glibc.tan(x)
    case .asin: Glibc.asin(x)
    case .acos: Glibc.acos(x)
    case .atan: Glibc.atan(x)
    case .sinh: Glibc.sinh(x)
    case .cosh: Glibc.cosh(x)
    case .tanh: Glibc.tanh(x)
    case .erf: Glibc.erf(x)
    }
  }
}
