import Communication
import System
import Tensors

/// The memory that one host's ranks share for a sum: their arenas, the sum, and words that show
/// each rank's progress.
///
/// Each rank's part has two cache lines for each of its words (`ready` of each of its shards,
/// `summed`, `done`), then the sum on the host's first rank, then its arenas.
final class HostMemory {
  /// The shards of each rank, by rank of the host.
  let shards: [Range<Int>]
  /// By shard: the address of its arena.
  private(set) var arenas: [Int: UnsafeMutablePointer<Float>] = [:]
  /// By shard: how many buckets of its arena are final, counted over all sums.
  private(set) var ready: [Int: UnsafeMutablePointer<UInt64>] = [:]
  /// By rank of the host: in how many buckets it has summed its slices of the host's partials,
  /// counted over all sums.
  private(set) var summed: [UnsafeMutablePointer<UInt64>] = []
  /// How many buckets of the sum are complete, counted over all sums.
  let done: UnsafeMutablePointer<UInt64>
  let sum: UnsafeMutablePointer<Float>
  /// Keeps the memory alive.
  let owner: AnyObject

  /// Two cache lines, because lines are fetched in pairs.
  private static let wordByteCount = 2 * CacheLine.byteCount

  /// Bytes from the start of one arena to the start of the next.
  private static func pitch(_ elementCount: Int) -> Int {
    CacheLine.roundedUp(floatCount: elementCount) * MemoryLayout<Float>.stride
  }

  /// The size of the part of a rank with `shardCount` shards.
  static func byteCount(shardCount: Int, elementCount: Int, isFirst: Bool) -> Int {
    (shardCount + 2) * wordByteCount + (shardCount + (isFirst ? 1 : 0)) * pitch(elementCount)
  }

  /// - Parameter parts: by rank of the host, each of `byteCount` bytes, all zeros.
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
