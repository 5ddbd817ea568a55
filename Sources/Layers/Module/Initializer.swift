import System
import Tensors

/// A rule for a parameter's initial values, which depend only on counter-based random numbers and
/// the shape.
///
/// For a weight [out, in, k...], fan-in is `in` times the product of k (the number of inputs of one
/// output); fan-out is `out` times the product of k.
public indirect enum Initializer: Sendable, Equatable {
  /// Uniform in -bound ..< bound.
  case uniform(bound: Float)
  /// Uniform in low ..< high.
  case interval(low: Float, high: Float)
  case normal(mean: Float, deviation: Float)
  case constant(Float)
  /// Uniform with bound gain sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio, 2010).
  case xavierUniform(gain: Float)
  /// Normal with standard deviation gain sqrt(2 / (fan-in + fan-out)).
  case xavierNormal(gain: Float)
  /// Uniform with bound gain sqrt(3 / fan) (He et al., 2015).
  case kaimingUniform(Fan, gain: Float)
  /// Normal with standard deviation gain / sqrt(fan).
  case kaimingNormal(Fan, gain: Float)
  /// A matrix [out, the rest] with orthonormal rows or columns, whichever are fewer, times `gain`
  /// (Saxe et al., 2013).
  case orthogonal(gain: Float)
  /// Another initializer, but with zeros in one row (that of a padding index).
  case zeroingRow(Int, Initializer)

  public enum Fan: Sendable { case fanIn, fanOut }

  public static var zeros: Initializer { .constant(0) }
  public static var ones: Initializer { .constant(1) }

  /// PyTorch's default for the weight and the bias of a layer with `fanIn` inputs:
  /// `kaiming_uniform_(a=sqrt(5))`, which is a bound of 1 / sqrt(fanIn).
  public static func defaultUniform(fanIn: Int) -> Initializer {
    .uniform(bound: 1 / Float(max(fanIn, 1)).squareRoot())
  }

  /// The gain that keeps the variance through a nonlinearity, PyTorch's `calculate_gain`.
  public enum Nonlinearity: Sendable {
    case linear, sigmoid, tanh, relu
    case leakyReLU(slope: Float)

    public var gain: Float {
      switch self {
      case .linear, .sigmoid: 1
      case .tanh: 5 / 3
      case .relu: Float(2).squareRoot()
      case .leakyReLU(let slope): (2 / (1 + slope * slope)).squareRoot()
      }
    }
  }

  /// Returns an equal initializer in its simplest form: uniform, interval, normal, constant,
  /// orthogonal or zeroingRow.
  private func resolved(for shape: Shape) -> Initializer {
    func fans() -> (fanIn: Float, fanOut: Float) {
      require(
        shape.count >= 2,
        "initialize: a tensor of shape \(shape) has no fan-in and fan-out; it needs 2 axes or more")
      let field = shape.dropFirst(2).reduce(1, *)
      return (Float(max(shape[1] * field, 1)), Float(max(shape[0] * field, 1)))
    }
    func size(_ fan: Fan) -> Float { fan == .fanIn ? fans().fanIn : fans().fanOut }
    switch self {
    case .xavierUniform(let gain):
      return .uniform(bound: gain * (6 / (fans().fanIn + fans().fanOut)).squareRoot())
    case .xavierNormal(let gain):
      return .normal(mean: 0, deviation: gain * (2 / (fans().fanIn + fans().fanOut)).squareRoot())
    case .kaimingUniform(let fan, let gain):
      return .uniform(bound: gain * (3 / size(fan)).squareRoot())
    case .kaimingNormal(let fan, let gain):
      return .normal(mean: 0, deviation: gain / size(fan).squareRoot())
    default: return self
    }
  }

  /// - tensor: float32, contiguous, any shape that the case allows.
  func fill(_ tensor: Tensor, _ random: CountedRandom) {
    let values = tensor.pointer(Float.self)
    let count = tensor.elementCount
    switch resolved(for: tensor.shape) {
    case .uniform(let bound):
      forEachWord(count, random) { values[$0] = (Float($1 >> 8) * 0x1p-23 - 1) * bound }
    case .interval(let low, let high):
      forEachWord(count, random) { values[$0] = low + Float($1 >> 8) * 0x1p-24 * (high - low) }
    case .normal(let mean, let deviation):
      for (i, value) in random.standardNormals(count).enumerated() {
        values[i] = mean + deviation * Float(value)
      }
    case .constant(let value): values.update(repeating: value, count: count)
    case .orthogonal(let gain): fillOrthogonally(tensor, gain, random)
    case .zeroingRow(let row, let other):
      other.fill(tensor, random)
      tensor.rows(row..<row + 1).fillWithZeros()
    case .xavierUniform, .xavierNormal, .kaimingUniform, .kaimingNormal:
      fatalError("\(self) was not resolved")
    }
  }

  private func forEachWord(_ count: Int, _ random: CountedRandom, _ body: (Int, UInt32) -> Void) {
    for start in stride(from: 0, to: count, by: 4) {
      let words = random.block(UInt64(start / 4))
      for i in 0..<min(4, count - start) { body(start + i, words[i]) }
    }
  }
}

extension Tensor {
  /// Sets this tensor's initial values, which depend only on (seed, name, index).
  /// - Precondition: float32, contiguous.
  public func initialize(_ initializer: Initializer, seed: UInt64, name: String = "") {
    require(
      dtype == .float32 && isContiguous,
      "initialize: needs a contiguous float32 tensor, not \(dtype) of shape \(shape)")
    initializer.fill(self, CountedRandom(seed: seed, purpose: "parameter " + name))
  }
}
