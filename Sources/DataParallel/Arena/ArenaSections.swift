import CKernels
import System

/// Divides the elements of an arena for a sum.
enum ArenaSections {
  /// Divides `range` into `count` parts of nearly the same size. Each begins a whole number of
  /// cache lines after the range's start, so that different ranks write to different lines. The
  /// last parts may be empty.
  static func slices(of range: Range<Int>, count: Int) -> [Range<Int>] {
    let lineElements = CacheLine.floatCount
    let lines = (range.count + lineElements - 1) / lineElements
    let bounds = (0...count).map {
      min(range.lowerBound + lines * $0 / count * lineElements, range.upperBound)
    }
    return zip(bounds, bounds.dropFirst()).map { $0..<$1 }
  }

  /// The buckets: ranges of elements that are sent together. They are in order from the arena's end
  /// to its beginning, because a backward pass computes the last gradients first. A bucket has
  /// either only rounded or only other elements.
  /// - Parameter roundedCount: how many of the first elements are rounded.
  static func buckets(elementCount: Int, roundedCount: Int, size: Int = bucketSize) -> [Range<Int>]
  {
    func cut(_ range: Range<Int>) -> [Range<Int>] {
      stride(from: range.lowerBound, to: range.upperBound, by: size)
        .map { $0..<min($0 + size, range.upperBound) }.reversed()
    }
    return cut(roundedCount..<elementCount) + cut(0..<roundedCount)
  }

  /// Elements of a bucket: 120 KiB of float32. On a link of 1 Gbit/s that takes a millisecond; on
  /// one of 100 Gbit/s it takes 10 us, still several times a message's latency.
  static let bucketSize = 30_720

  /// Elements of a block, 4 KiB. Sums are computed block by block: the result of one addition is
  /// then still in the first-level cache when the next addition reads it, and so are operands that
  /// are overwritten.
  static let blockSize = 1024

  /// Calls `body` for each block of `range`.
  static func inBlocks(_ range: Range<Int>, _ body: (_ start: Int, _ count: Int) -> Void) {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockSize) {
      body(start, min(blockSize, range.upperBound - start))
    }
  }
}

/// The additions of a tree whose first elements are rounded to bfloat16. Every leaf and every inner
/// node is rounded, so the sum does not depend on which of them are sent between hosts.
struct TreeAdder {
  /// How many of the first elements are rounded.
  let roundedCount: Int

  /// z = x + y for the `count` elements from `start` on. The pointers point to element `start`.
  func add(
    _ z: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
    start: Int, count: Int
  ) {
    let rounded = min(max(roundedCount - start, 0), count)
    if rounded > 0 { nd_add_bf16(z, x, y, rounded) }
    if rounded < count { nd_add(z + rounded, x + rounded, y + rounded, count - rounded) }
  }

  /// Writes x + y to all of `targets`, which point to element 0 of their arenas; x and y point to
  /// element `start`.
  /// - Returns: whether all sums are finite.
  func add(
    toAll targets: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>,
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, start: Int, count: Int
  ) -> Bool {
    let rounded = min(max(roundedCount - start, 0), count)
    var isFinite = true
    if rounded > 0 {
      let first = targets[0]! + start
      nd_add_bf16(first, x, y, rounded)
      isFinite = nd_all_finite(first, rounded) == 1
      for target in targets.dropFirst() { (target! + start).update(from: first, count: rounded) }
    }
    guard rounded < count else { return isFinite }
    return nd_add_to_all(
      targets.baseAddress, targets.count, start + rounded, x + rounded, y + rounded,
      count - rounded) == 1 && isFinite
  }
}
