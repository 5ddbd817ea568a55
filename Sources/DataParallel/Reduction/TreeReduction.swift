import CKernels
import Communication
import System
import Tensors

/// Sums all shards' arenas on every rank, in the order of TreePlan. The bits of the sum do not
/// depend on the number of ranks and hosts, nor on the path.
package final class TreeReduction {
  /// How the floats move from rank to rank.
  package enum Path: String, Sendable {
    /// All ranks are on one host, and read each other's arenas in shared memory.
    case window = "shared window"
    /// Messages between hosts; shared memory within a host.
    case messages
  }

  package let path: Path
  /// Why the ranks of one host do not share memory; nil if they do, or if each is on its own host.
  package let note: String?
  /// The arenas of this rank's shards, in shard order: [elementCount] float32, zeros at first. Fill
  /// them before each sum; their contents after it are undefined.
  package let arenas: [Tensor]
  /// Whether all elements of the last sum are finite; the same on every rank.
  package private(set) var sumIsFinite = true
  private let elementCount: Int
  private let shardCount: Int
  private let communicator: Communicator
  private let window: WindowReduction?
  private let messages: MessageReduction?

  /// First compares `elementCount` and `shardCount` between the ranks.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - roundedCount: how many of the first elements are rounded to bfloat16, in each shard's
  ///     arena and in each sum of the tree, so that hosts can send them in half the bytes.
  ///     Additions are in float32.
  ///   - path: nil: a window if all ranks are on one host with enough shared memory, else messages.
  ///     With `.messages` on one host, each rank counts as a host.
  ///   - ranksPerHost: treats each group of at most this many ranks of a host as a host of its own.
  ///   - direct: hosts exchange slices directly even if halving is possible.
  /// - Precondition: worldSize <= shardCount; elementCount > 0; a window needs all ranks on one
  ///   host.
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
    // By host, the groups of ranks that share memory.
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

  /// Whether a sum can run while gradients are still being computed.
  package var overlaps: Bool { messages?.overlaps ?? false }

  /// Bytes this rank has sent to other hosts, in all sums.
  package var sentByteCount: Int { messages?.sentByteCount ?? 0 }

  /// Begins a sum before the arenas are filled. A background thread sends the elements that
  /// `noteFinal` reports. Until `allreduceSum` returns, the calling thread must make no other
  /// collective call.
  ///
  /// Collective: every rank, if `overlaps`.
  package func begin() { if !isSkipped { messages?.begin() } }

  /// Reports that in a shard's arena all elements from `offset` on are final: they do not change
  /// until the sum. Has no effect before `begin`. May be called on any thread.
  package func noteFinal(shard: Int, from offset: Int) {
    messages?.noteFinal(shard: shard, from: offset)
  }

  /// Returns the sum over all shards, `elementCount` floats. It must not be written, because other
  /// ranks may read the same memory. It is valid until this rank's next sum or write to its arenas.
  ///
  /// Collective: every rank.
  /// - Parameter threads: the rank's threads. They check whether the sum is finite, and add if
  ///   there is only one rank.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, if ranks are out of step;
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

  /// Only in tests that inject faults.
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
