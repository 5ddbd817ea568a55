import TensorCore

/// How a parameter gets its initial values.
public enum Initializer: Sendable, Equatable {
  /// Uniform in -bound ..< bound.
  case uniform(bound: Float)

  /// PyTorch's default for the weight and the bias of a layer with `fanIn` inputs:
  /// `kaiming_uniform_(a=sqrt(5))`, which comes to a bound of 1 / sqrt(fanIn).
  public static func defaultUniform(fanIn: Int) -> Initializer {
    .uniform(bound: 1 / Float(max(fanIn, 1)).squareRoot())
  }

  /// - tensor: float32, contiguous, any shape.
  func fill(_ tensor: Tensor, _ random: CountedRandom) {
    let values = tensor.pointer(Float.self)
    switch self {
    case .uniform(let bound):
      for start in stride(from: 0, to: tensor.elementCount, by: 4) {
        let words = random.block(UInt64(start / 4))
        for i in 0..<min(4, tensor.elementCount - start) {
          values[start + i] = (Float(words[i] >> 8) * 0x1p-23 - 1) * bound
        }
      }
    }
  }
}
