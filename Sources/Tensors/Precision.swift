/// What the operands of a matrix product or a convolution are rounded to. Sums and results are float32.
public enum Precision: String, Sendable, CaseIterable {
  case float32
  /// bfloat16: float32's exponent and 8 bits of its significand. To the nearest, ties to even; denormals
  /// to 0.
  case bf16
}
