import Communication
import System
import Tensors

/// The layout of a rank's part of the window: its arenas, then one word.
struct WindowLayout {
  /// Elements from the start of one arena to the start of the next: whole cache lines.
  let pitch: Int
  let byteCount: Int

  /// The offset in bytes of the rank's word after the arenas: 0 if its slice of the sum is finite.
  var nonFiniteOffset: Int { byteCount - CacheLine.byteCount }

  init(arenaCount: Int, elementCount: Int) {
    pitch = CacheLine.roundedUp(floatCount: elementCount)
    // Plus one cache line for the word.
    byteCount = arenaCount * pitch * MemoryLayout<Float>.stride + CacheLine.byteCount
  }
}

/// The tree's sum for ranks that are all on one host. All arenas are in a shared window, and each
/// rank sums its slice directly from the others' memory.
///
/// A rank writes each element of its slice of the sum to the place it has just read, in every
/// rank's first arena. So each cache line moves to the core that sums and back only once, and the
/// optimizer reads its own rank's memory. (A separate place for the sum would be a third set of
/// lines that the cores take from each other. On two cores of a Zen 4, with 670,000 elements, that
/// cost 80 us a step more.)
///
/// Each rank's slice is contiguous. With alternating blocks, each core's prefetcher took the
/// other's lines, and the sum took 2 to 10 times as long. Inner nodes are summed in scratch memory.
/// Two barriers are enough: one before the sum, when the arenas are complete, and one after it,
/// when the sum is complete. After that, a rank's arenas are exclusively its own until the next
/// sum.
final class WindowReduction {
  let arenas: [Tensor]
  private let communicator: Communicator
  private let elementCount: Int
  private let window: SharedWindow
  private let slice: Range<Int>
  /// The additions of the inner nodes below the root, children first.
  private let steps: [Step]
  private let root: Step
  private let adder: TreeAdder
  private let scratch: Storage
  /// The targets of the sum: every rank's first arena, starting with this rank's.
  private let sums: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>
  /// By rank: the word that is 0 if the rank's slice of the sum is finite. Each rank writes its own
  /// before the barrier that ends a sum, and reads all after it.
  private let nonFiniteWords: [UnsafeMutablePointer<UInt64>]
  /// Whether all elements of the last sum are finite.
  private(set) var sumIsFinite = true

  /// An operand of an addition. All blocks use the same scratch memory.
  private struct Operand {
    let start: UnsafeMutablePointer<Float>
    let isScratch: Bool
    func at(_ offset: Int) -> UnsafeMutablePointer<Float> { isScratch ? start : start + offset }
  }

  private struct Step {
    /// Not used for the root, whose sum is written to `sums`.
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
    let layout = WindowLayout(
      arenaCount: ranges[communicator.rank].count, elementCount: elementCount)
    let window = try SharedWindow(byteCount: layout.byteCount, communicator: communicator)
    self.window = window
    self.communicator = communicator
    self.elementCount = elementCount
    slice = ArenaSections.slices(of: 0..<elementCount, count: worldSize)[communicator.rank]

    // On one host, local ranks are ranks.
    let parts = window.parts.map { $0.baseAddress!.assumingMemoryBound(to: Float.self) }
    let sum = parts[communicator.rank]
    sums = .allocate(capacity: worldSize)
    _ = sums.initialize(from: [sum] + parts.filter { $0 != sum })
    nonFiniteWords = zip(window.parts, ranges).map { part, range in
      let layout = WindowLayout(arenaCount: range.count, elementCount: elementCount)
      return (part.baseAddress! + layout.nonFiniteOffset).assumingMemoryBound(to: UInt64.self)
    }
    let leaves = zip(parts, ranges).flatMap { part, range in
      range.map { part + ($0 - range.lowerBound) * layout.pitch }
    }
    arenas = leaves[ranges[communicator.rank]].map { start in
      let byteCount = elementCount * MemoryLayout<Float>.stride
      let shape: Shape = [elementCount]
      return Tensor(
        storage: Storage(base: start, byteCount: byteCount, owner: window), shape: shape,
        strides: shape.contiguousStrides, offset: 0, dtype: .float32)
    }

    let plan = TreePlan.sums(shardCount: shardCount)
    let scratchCount = plan.map { if case .scratch(let i) = $0.target { i + 1 } else { 0 } }.max()!
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
    let steps = plan.map {
      Step(target: operand($0.target), left: operand($0.left), right: operand($0.right))
    }
    self.steps = Array(steps.dropLast())
    root = steps.last!
  }

  deinit {
    sums.deallocate()
  }

  /// Returns the sum over all shards, in this rank's first arena.
  ///
  /// Collective: every rank.
  /// - Throws: `Failure(.trainingFailed)` where ranks are out of step; MPIError.
  func allreduceSum() throws -> UnsafePointer<Float> {
    // Comparing headers is also the barrier before the sum.
    try communicator.enter(.sum, of: .float32, count: elementCount, at: "gradients")
    if !communicator.enterIsBarrier { try window.barrier() }
    var isFinite = true
    ArenaSections.inBlocks(slice) { start, count in
      for step in steps {
        adder.add(
          step.target.at(start), step.left.at(start), step.right.at(start), start: start,
          count: count)
      }
      let isBlockFinite = adder.add(
        toAll: sums, root.left.at(start), root.right.at(start), start: start, count: count)
      isFinite = isFinite && isBlockFinite
    }
    nonFiniteWords[communicator.rank].pointee = isFinite ? 0 : 1
    try window.barrier()
    sumIsFinite = nonFiniteWords.allSatisfy { $0.pointee == 0 }
    return UnsafePointer(sums[0]!)
  }
}
