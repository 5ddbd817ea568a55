import CKernels
import Communication
import System
import Tensors

/// The sum of all shards' arenas, on every rank, in the order of TreePlan: the same bits whatever
/// the number of ranks and hosts, and whichever way the floats go.
package final class TreeReduction {
  /// How the floats get from rank to rank.
  package enum Path: String, Sendable {
    /// All ranks are on one host and read each other's arenas in memory they share.
    case window = "shared window"
    /// Messages between hosts; in a host, memory its ranks share.
    case messages
  }

  package let path: Path
  /// Why the ranks of one host do not share memory; nil where they do, or are each on a host.
  package let note: String?
  /// The arenas of this rank's shards, in shard order: [elementCount] float32, zeros at first. To be
  /// filled before each sum; what they hold after it is undefined.
  package let arenas: [Tensor]
  /// Whether no element of the last sum is infinite or not a number; the same on every rank.
  package private(set) var sumIsFinite = true
  private let elementCount: Int
  private let shardCount: Int
  private let communicator: Communicator
  private let window: WindowReduction?
  private let messages: MessageReduction?

  /// Compares first what the ranks are to reduce.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - roundedCount: how many of the first elements are rounded to bfloat16, each shard's and each
  ///     sum of the tree, so that hosts can send them in half the bytes. Additions are float32's.
  ///   - path: nil: a window where all ranks are on one host, and it has the room. Messages asked for
  ///     on one host go from every rank to every other.
  ///   - ranksPerHost: takes the ranks of a host in groups of at most so many for hosts of their own.
  ///   - direct: hosts exchange slices directly even where halving could do.
  /// - Precondition: worldSize <= shardCount; elementCount > 0; a window needs all ranks on one host.
  /// - Throws: Failure(.ranksDisagree), the same on every rank; MPIError.
  package init(
    communicator: Communicator, shardCount: Int, elementCount: Int, roundedCount: Int = 0,
    path: Path? = nil, ranksPerHost: Int? = nil, direct: Bool = false
  ) throws {
    require(elementCount > 0, "TreeReduction: \(elementCount) elements")
    require(
      0...elementCount ~= roundedCount, "TreeReduction: \(roundedCount) of \(elementCount) rounded")
    try TreeReduction.compareRanks(communicator, shardCount, elementCount)
    let own = ShardRange.of(
      rank: communicator.rank, worldSize: communicator.worldSize, shardCount: shardCount)
    let real = try communicator.hosts()
    var chosen = path ?? (real.count == 1 && communicator.worldSize > 1 ? .window : .messages)
    // By host, groups of ranks that share memory.
    let groups = real.map { ranks in
      stride(from: 0, to: ranks.count, by: ranksPerHost ?? ranks.count).map {
        Array(ranks[$0..<min($0 + (ranksPerHost ?? ranks.count), ranks.count)])
      }
    }
    var hosts = groups.flatMap { $0 }
    let isAlone = path == .messages && ranksPerHost == nil && real.count == 1
    if isAlone { hosts = (0..<communicator.worldSize).map { [$0] } }
    let isFirst = hosts.contains { $0[0] == communicator.rank }
    var note: String?
    let needsWindow = chosen == .window || hosts.contains { $0.count > 1 }
    let byteCount =
      chosen == .window
      ? WindowLayout(arenaCount: own.count, elementCount: elementCount).byteCount
      : HostMemory.byteCount(shardCount: own.count, elementCount: elementCount, isFirst: isFirst)
    if path != .window, needsWindow, try !SharedWindow.fits(byteCount, communicator) {
      chosen = .messages
      hosts = (0..<communicator.worldSize).map { [$0] }
      note =
        "the ranks' gradients do not fit /dev/shm or a rank's limit, so they go by messages: the same "
        + "bits, but slower; give them room (mount -o remount,size=..., docker run --shm-size, ulimit -v)"
    }
    self.communicator = communicator
    self.elementCount = elementCount
    self.shardCount = shardCount
    self.path = chosen
    self.note = note
    switch chosen {
    case .window:
      require(real.count == 1, "TreeReduction: a window for ranks on several hosts")
      let reduction = try WindowReduction(
        communicator: communicator, shardCount: shardCount, elementCount: elementCount,
        roundedCount: roundedCount)
      (window, messages) = (reduction, nil)
      arenas = reduction.arenas
    case .messages:
      let shared =
        hosts.contains { $0.count > 1 }
        ? try SharedWindow(byteCount: byteCount, communicator: communicator) : nil
      let neighbours = real.first { $0.contains(communicator.rank) }!
      let group = hosts.first { $0.contains(communicator.rank) }!
      let reduction = MessageReduction(
        communicator: communicator, shardCount: shardCount, elementCount: elementCount,
        roundedCount: roundedCount, hosts: hosts, window: shared,
        localRanks: group.map { neighbours.firstIndex(of: $0)! }, direct: direct)
      (window, messages) = (nil, reduction)
      arenas = reduction.arenas
    }
  }

  /// Whether a sum can be under way while gradients are still being made.
  package var overlaps: Bool { messages?.overlaps ?? false }

  /// Bytes this rank has sent to other hosts, in all sums.
  package var sentByteCount: Int { messages?.sentByteCount ?? 0 }

  /// Begins a sum before the arenas are filled: what `noteFinal` names goes out at once, on another
  /// thread. Until `allreduceSum` has returned, this thread must make no other collective call.
  ///
  /// Collective: every rank, where `overlaps`.
  package func begin() { if !isSkipped { messages?.begin() } }

  /// Says that in a shard's arena all from element `offset` on is as it is to be added, and will stay
  /// so. Has no effect before `begin`; from any thread.
  package func noteFinal(shard: Int, from offset: Int) {
    messages?.noteFinal(shard: shard, from: offset)
  }

  /// The sum over all shards, `elementCount` floats: to be read only, as other ranks may read the very
  /// same memory. It holds until this rank's next sum or write to its arenas.
  ///
  /// Collective: every rank.
  /// - Parameter threads: the rank's, which check whether the sum is finite, and add where the rank is alone.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, where ranks are out of step;
  ///   MPIError.
  package func allreduceSum(on threads: ShardThreads? = nil) throws -> UnsafePointer<Float> {
    if isSkipped { return UnsafePointer(arenas[0].pointer(Float.self)) }
    if let window {
      let sum = try window.allreduceSum()
      sumIsFinite = window.sumIsFinite
      return sum
    }
    let sum = try messages!.allreduceSum(on: threads)
    let isFinite = { (range: Range<Int>) in
      nd_all_finite(sum + range.lowerBound, range.count) == 1
    }
    let all = 0..<elementCount
    sumIsFinite = threads?.allSatisfy(over: all, isFinite) ?? isFinite(all)
    return sum
  }

  /// In tests of faults alone.
  private var isSkipped: Bool {
    FaultPoint.reach("sum", rank: communicator.rank, step: communicator.step) == .skip
  }

  private static func compareRanks(
    _ communicator: Communicator, _ shardCount: Int, _ elementCount: Int
  ) throws {
    let elements = try communicator.allgather(UInt64(elementCount))
    let shards = try communicator.allgather(UInt64(shardCount))
    let pairs = Array(zip(elements, shards))
    if let other = pairs.firstIndex(where: { $0 != pairs[0] }) {
      throw Failure(
        .ranksDisagree,
        "a reduction has \(elements[0]) elements and \(shards[0]) shards on rank 0, "
          + "\(elements[other]) elements and \(shards[other]) shards on rank \(other)",
        remedy: "start every rank with the same recipe and the same binary")
    }
  }
}
