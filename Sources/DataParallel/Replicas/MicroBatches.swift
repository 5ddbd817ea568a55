/// Splits a shard's part of a batch into as few pieces as possible, each of a limited number of
/// samples.
package enum MicroBatches {
  /// The pieces of `sampleCount` samples, in order. Their sizes differ by at most one, and the
  /// larger pieces come first, as in PyTorch's `tensor_split`.
  /// - Parameter size: the most samples of a piece; nil: one piece.
  package static func ranges(of sampleCount: Int, atMost size: Int?) -> [Range<Int>] {
    let count = MicroBatches.count(of: sampleCount, atMost: size)
    return (0..<count).map { piece in
      let (quotient, rest) = sampleCount.quotientAndRemainder(dividingBy: count)
      let start = piece * quotient + min(piece, rest)
      return start..<start + quotient + (piece < rest ? 1 : 0)
    }
  }

  /// The number of pieces; 0 without a sample.
  package static func count(of sampleCount: Int, atMost size: Int?) -> Int {
    guard sampleCount > 0, let size else { return min(sampleCount, 1) }
    return (sampleCount - 1) / size + 1
  }
}
