import CKernels
import System

/// How the elements of an arena are cut up for a sum.
enum ArenaSections {
  /// `range` in `count` parts of nearly the same size that begin at whole lines from its beginning;
  /// the last ones may be empty.
  static func slices(of range: Range<Int>, count: Int) -> [Range<Int>] {
    let lineElements = CacheLine.floatCount
    let lines = (range.count + lineElements - 1) / lineElements
    let bounds = (0...count).map {
      min(range.lowerBound + lines * $0 / count * lineElements, range.upperBound)
    }
    return zip(bounds, bounds.dropFirst()).map { $0..<$1 }
  }

  /// The elements that travel together, from the arena's end to its beginning: a backward pass makes
  /// the last gradients first. One bucket never holds both rounded and other elements.
  /// - Parameter roundedCount: how many of the first elements are rounded; those behind come first.
  static func buckets(elementCount: Int, roundedCount: Int, size: Int = bucketSize) -> [Range<Int>]
  {
    func cut(_ range: Range<Int>) -> [Range<Int>] {
      stride(from: range.lowerBound, to: range.upperBound, by: size)
        .map { $0..<min($0 + size, range.upperBound) }.reversed()
    }
    return cut(roundedCount..<elementCount) + cut(0..<roundedCount)
  }

  /// 256 KiB: on a link of 1 Gbit/s two milliseconds, on one of 100 Gbit/s several times a message's
  /// latency.
  static let bucketSize = 30_720

  /// Additions are done in runs of this many elements, 4 KiB, so that what one addition writes is
  /// still in the first-level cache when the next reads it, and its operands when they are written.
  static let blockSize = 1024

  static func inBlocks(_ range: Range<Int>, _ body: (_ start: Int, _ count: Int) -> Void) {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockSize) {
      body(start, min(blockSize, range.upperBound - start))
    }
  }
}

/// The additions of a tree, some of them of elements that are rounded to bfloat16: every leaf and every
/// inner node, so that a sum does not depend on which of them travelled.
struct TreeAdder {
  /// How many of the first elements are rounded.
  let roundedCount: Int

  /// z = x + y for the `count` elements from `start` on; the pointers are theirs.
  func add(
    _ z: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
    start: Int, count: Int
  ) {
    let rounded = min(max(roundedCount - start, 0), count)
    if rounded > 0 { nd_add_bf16(z, x, y, rounded) }
    if rounded < count { nd_add(z + rounded, x + rounded, y + rounded, count - rounded) }
  }

  /// As `add`, into all of `targets`, from `start` on there.
  /// - Returns: whether all of the sums are finite.
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
