/// How a shard's part of a batch is computed: in as few pieces of at most so many samples as do.
package enum MicroBatches {
  /// The pieces of `sampleCount` samples, in order: as even as they can be, the larger ones first, as
  /// PyTorch's `tensor_split` cuts.
  /// - Parameter size: the most samples of a piece; nil: one piece.
  package static func ranges(of sampleCount: Int, atMost size: Int?) -> [Range<Int>] {
    let count = MicroBatches.count(of: sampleCount, atMost: size)
    return (0..<count).map { piece in
      let (quotient, rest) = sampleCount.quotientAndRemainder(dividingBy: count)
      let start = piece * quotient + min(piece, rest)
      return start..<start + quotient + (piece < rest ? 1 : 0)
    }
  }

  /// How many pieces they are; none for no sample.
  package static func count(of sampleCount: Int, atMost size: Int?) -> Int {
    guard sampleCount > 0, let size else { return min(sampleCount, 1) }
    return (sampleCount - 1) / size + 1
  }
}
