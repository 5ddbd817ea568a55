import Communication
import System
import Tensors

/// Where the arenas lie in what a rank brings to the window.
struct WindowLayout {
  /// Elements from one arena to the next: whole cache lines.
  let pitch: Int
  let byteCount: Int

  /// Of the rank's word behind the arenas: 0 where its slice of the sum is finite.
  var verdictOffset: Int { byteCount - CacheLine.byteCount }

  init(arenaCount: Int, elementCount: Int) {
    pitch = CacheLine.roundedUp(floatCount: elementCount)
    // A cache line more for the verdict.
    byteCount = arenaCount * pitch * MemoryLayout<Float>.stride + CacheLine.byteCount
  }
}

/// The tree's sum where all ranks are on one host: all arenas lie in a shared window, and each rank
/// sums its slice of them straight from the others' memory.
///
/// It writes each element of its sum where it has just read, into every rank's first arena: so the
/// lines go over to the core that sums and come back, once each, and an optimizer reads its own
/// rank's memory. (A place for the sum beside the arenas would be a third set of lines that the cores
/// take from each other: on two cores of a Zen 4, with 670,000 elements, that cost 80 us a step more.)
/// Slices are whole: of blocks in turn each core's prefetching takes the other's lines, and the sum took
/// 2 to 10 times as long. Inner nodes are summed in scratch. Two barriers do: one before, as the arenas must be complete,
/// and one behind, as the sum must be; from there on a rank's arenas are its own until the next sum.
final class WindowReduction {
  let arenas: [Tensor]
  private let communicator: Communicator
  private let elementCount: Int
  private let window: SharedWindow
  private let slice: Range<Int>
  /// What makes the inner nodes below the root, children first.
  private let steps: [Step]
  private let root: Step
  private let adder: TreeAdder
  private let scratch: Storage
  /// Where the sum goes: every rank's first arena, this rank's first.
  private let sums: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>
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
    /// The root's is not used: its sum goes to `sums`.
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
    verdicts = zip(window.parts, ranges).map { part, range in
      let layout = WindowLayout(arenaCount: range.count, elementCount: elementCount)
      return (part.baseAddress! + layout.verdictOffset).assumingMemoryBound(to: UInt64.self)
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

  /// The sum, in this rank's first arena.
  ///
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
      let isBlockFinite = adder.add(
        toAll: sums, root.left.at(start), root.right.at(start), start: start, count: count)
      isFinite = isFinite && isBlockFinite
    }
    verdicts[communicator.rank].pointee = isFinite ? 0 : 1
    try window.barrier()
    sumIsFinite = verdicts.allSatisfy { $0.pointee == 0 }
    return UnsafePointer(sums[0]!)
  }
}
