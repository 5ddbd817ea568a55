import Communication
import System
import Tensors

/// The arenas of one host's ranks where all of them see them, the sum that all read, and words by
/// which they tell each other how far they are.
///
/// A part a rank: a line for each of its words (`ready` of each of its shards, `summed`, `done`), on
/// the host's first rank the sum, then its arenas.
final class HostMemory {
  /// The shards of this host's ranks, by rank of the host.
  let shards: [Range<Int>]
  /// Where element 0 of a shard's arena is.
  private(set) var arenas: [Int: UnsafeMutablePointer<Float>] = [:]
  /// By shard: how much of its arena is final.
  private(set) var ready: [Int: UnsafeMutablePointer<UInt64>] = [:]
  /// By rank of the host: how much of its slices of the host's partials are summed.
  private(set) var summed: [UnsafeMutablePointer<UInt64>] = []
  /// How much of the sum is there.
  let done: UnsafeMutablePointer<UInt64>
  let sum: UnsafeMutablePointer<Float>
  /// Keeps the memory.
  let owner: AnyObject

  /// Two cache lines, which are fetched in pairs.
  private static let wordByteCount = 2 * CacheLine.byteCount

  private static func pitch(_ elementCount: Int) -> Int {
    CacheLine.roundedUp(floatCount: elementCount) * MemoryLayout<Float>.stride
  }

  /// Bytes that a rank with so many shards brings.
  static func byteCount(shardCount: Int, elementCount: Int, isFirst: Bool) -> Int {
    (shardCount + 2) * wordByteCount + (shardCount + (isFirst ? 1 : 0)) * pitch(elementCount)
  }

  /// - Parameter parts: by rank of the host, of `byteCount`; zeros.
  init(
    parts: [UnsafeMutableRawPointer], shards: [Range<Int>], elementCount: Int, owner: AnyObject
  ) {
    self.shards = shards
    self.owner = owner
    func word(_ part: Int, _ index: Int) -> UnsafeMutablePointer<UInt64> {
      (parts[part] + index * HostMemory.wordByteCount).assumingMemoryBound(to: UInt64.self)
    }
    func floats(_ part: Int, _ index: Int) -> UnsafeMutablePointer<Float> {
      let words = (shards[part].count + 2) * HostMemory.wordByteCount
      return (parts[part] + words + index * HostMemory.pitch(elementCount))
        .assumingMemoryBound(to: Float.self)
    }
    done = word(0, shards[0].count + 1)
    sum = floats(0, 0)
    for (part, range) in shards.enumerated() {
      for (index, shard) in range.enumerated() {
        ready[shard] = word(part, index)
        arenas[shard] = floats(part, index + (part == 0 ? 1 : 0))
      }
      summed.append(word(part, range.count))
    }
  }

  /// A shard's arena as a tensor, [elementCount] float32.
  func tensor(shard: Int, elementCount: Int) -> Tensor {
    let shape: Shape = [elementCount]
    return Tensor(
      storage: Storage(
        base: arenas[shard]!, byteCount: elementCount * MemoryLayout<Float>.stride, owner: owner),
      shape: shape, strides: shape.contiguousStrides, offset: 0, dtype: .float32)
  }
}
