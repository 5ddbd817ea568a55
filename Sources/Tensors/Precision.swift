/// The format to which the operands of a matrix product or a convolution are rounded. Sums and
/// results are float32.
public enum Precision: String, Sendable, CaseIterable {
  case float32
  /// bfloat16: the exponent of float32 and 8 bits of its significand. Rounds to nearest, ties to
  /// even; denormals become 0.
  case bf16
}
