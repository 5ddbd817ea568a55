import CKernels
import Communication
import TensorCore

/// Where the arenas lie in what a rank brings to the window.
struct WindowLayout {
  /// Elements from one arena to the next: whole cache lines.
  let pitch: Int
  let byteCount: Int

  /// Of the rank's word behind the arenas: 0 where its slice of the sum is finite.
  var verdictOffset: Int { byteCount - ArenaLayout.alignment * MemoryLayout<Float>.stride }

  /// The rank of shard 0 brings the place for the sum too, before its arenas.
  init(ownShards: Range<Int>, elementCount: Int) {
    pitch =
      (elementCount + ArenaLayout.alignment - 1) / ArenaLayout.alignment * ArenaLayout.alignment
    let arenaCount = ownShards.count + (ownShards.lowerBound == 0 ? 1 : 0)
    // A cache line more for the verdict.
    byteCount = (arenaCount * pitch + ArenaLayout.alignment) * MemoryLayout<Float>.stride
  }
}

/// The tree's sum where all ranks are on one host: all arenas lie in a shared window, each rank sums
/// its slice of them straight from the others' memory, and all read the one sum where it lies.
///
/// The sum has memory of its own, and inner nodes are summed in scratch: arenas are only read. So two
/// barriers do: one before, as the arenas must be complete, and one behind, as the sum must be, and
/// the arenas may be written again. A rank that comes to the next sum's first barrier reads the last
/// sum no longer.
final class WindowReduction {
  let arenas: [Tensor]
  private let communicator: Communicator
  private let elementCount: Int
  private let window: SharedWindow
  private let slice: Range<Int>
  private let steps: [Step]
  private let adder: TreeAdder
  private let scratch: Storage
  private let sum: UnsafeMutablePointer<Float>
  /// By rank; the own one is written before the barrier behind a sum, and all are read after it.
  private let verdicts: [UnsafeMutablePointer<UInt64>]
  /// Of the last sum: no element of it is infinite or not a number.
  private(set) var sumIsFinite = true

  /// An addition's operands; those in scratch are the same for every block.
  private struct Operand {
    let start: UnsafeMutablePointer<Float>
    let isScratch: Bool
    func at(_ offset: Int) -> UnsafeMutablePointer<Float> { isScratch ? start : start + offset }
  }

  private struct Step {
    let target: Operand
    let left: Operand
    let right: Operand
  }

  /// Collective: every rank.
  /// - Precondition: all ranks on one host; 1 < worldSize <= shardCount; elementCount > 0.
  init(
    communicator: Communicator, shardCount: Int, elementCount: Int, roundedCount: Int
  ) throws {
    adder = TreeAdder(roundedCount: roundedCount)
    let worldSize = communicator.worldSize
    let ranges = (0..<worldSize).map {
      ShardRange.of(rank: $0, worldSize: worldSize, shardCount: shardCount)
    }
    let layout = WindowLayout(ownShards: ranges[communicator.rank], elementCount: elementCount)
    let window = try SharedWindow(byteCount: layout.byteCount, communicator: communicator)
    self.window = window
    self.communicator = communicator
    self.elementCount = elementCount
    slice = ArenaSections.slices(of: 0..<elementCount, count: worldSize)[communicator.rank]

    // On one host, local ranks are ranks.
    let parts = window.parts.map { $0.baseAddress!.assumingMemoryBound(to: Float.self) }
    let sum = parts[0]
    self.sum = sum
    verdicts = zip(window.parts, ranges).map { part, range in
      let layout = WindowLayout(ownShards: range, elementCount: elementCount)
      return (part.baseAddress! + layout.verdictOffset).assumingMemoryBound(to: UInt64.self)
    }
    let leaves = zip(parts, ranges).flatMap { part, range in
      range.map { part + ($0 - range.lowerBound + (range.lowerBound == 0 ? 1 : 0)) * layout.pitch }
    }
    arenas = leaves[ranges[communicator.rank]].map { start in
      let byteCount = elementCount * MemoryLayout<Float>.stride
      let shape: Shape = [elementCount]
      return Tensor(
        storage: Storage(base: start, byteCount: byteCount, owner: window), shape: shape,
        strides: shape.contiguousStrides, offset: 0, dtype: .float32)
    }

    let sums = TreePlan.sums(shardCount: shardCount)
    let scratchCount = sums.map { if case .scratch(let i) = $0.target { i + 1 } else { 0 } }.max()!
    let scratch = Storage(
      byteCount: scratchCount * ArenaSections.blockSize * MemoryLayout<Float>.stride)
    self.scratch = scratch
    func operand(_ place: TreePlan.Place) -> Operand {
      switch place {
      case .leaf(let shard): Operand(start: leaves[shard], isScratch: false)
      case .total: Operand(start: sum, isScratch: false)
      case .scratch(let index):
        Operand(
          start: scratch.base.assumingMemoryBound(to: Float.self)
            + index * ArenaSections.blockSize, isScratch: true)
      }
    }
    steps = sums.map {
      Step(target: operand($0.target), left: operand($0.left), right: operand($0.right))
    }
  }

  /// Collective: every rank.
  /// - Throws: `Failure(.trainingFailed)` where ranks are out of step; MPIError.
  func allreduceSum() throws -> UnsafePointer<Float> {
    // To compare headers is the barrier before, at no cost of its own.
    try communicator.enter(.sum, of: .float32, count: elementCount, at: "gradients")
    if !communicator.meetsOnBoard { try window.barrier() }
    var isFinite = true
    ArenaSections.inBlocks(slice) { start, count in
      for step in steps {
        adder.add(
          step.target.at(start), step.left.at(start), step.right.at(start), start: start,
          count: count)
      }
      // While the block is in the first-level cache it costs next to nothing.
      isFinite = nd_all_finite(sum + start, count) == 1 && isFinite
    }
    verdicts[communicator.rank].pointee = isFinite ? 0 : 1
    try window.barrier()
    sumIsFinite = verdicts.allSatisfy { $0.pointee == 0 }
    return UnsafePointer(sum)
  }
}
