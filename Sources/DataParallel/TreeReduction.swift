import Communication
import TensorCore

/// The sum of all shards' arenas, on every rank, in the order of TreePlan: the same bits whatever
/// the number of ranks, and whichever way the floats go.
public final class TreeReduction {
  /// How the floats get from rank to rank.
  public enum Path: String, Sendable {
    /// All ranks are on one host and read each other's arenas in memory they share.
    case window = "shared window"
    case messages
  }

  public let path: Path
  /// Why the ranks of one host do not share memory; nil where they do, or are on several.
  public let note: String?
  /// The arenas of this rank's shards, in shard order: [elementCount] float32, zeros at first. To be
  /// filled before each sum; what they hold after it is undefined.
  public let arenas: [Tensor]
  private let communicator: Communicator
  private let sum: () throws -> UnsafePointer<Float>

  /// Compares first what the ranks are to reduce.
  ///
  /// Collective: every rank.
  /// - Parameter path: nil: a window where all ranks are on one host, and it has the room.
  /// - Precondition: worldSize <= shardCount; elementCount > 0; a window needs all ranks on one host.
  /// - Throws: Failure(.ranksDisagree), the same on every rank; MPIError.
  public init(
    communicator: Communicator, shardCount: Int, elementCount: Int, path: Path? = nil
  ) throws {
    require(elementCount > 0, "TreeReduction: \(elementCount) elements")
    try TreeReduction.compareRanks(communicator, shardCount, elementCount)
    let own = ShardRange.of(
      rank: communicator.rank, worldSize: communicator.worldSize, shardCount: shardCount)
    let isOneHost = communicator.localSize == communicator.worldSize
    let layout = WindowLayout(ownShards: own, elementCount: elementCount)
    var chosen = path ?? (isOneHost && communicator.worldSize > 1 ? .window : .messages)
    var note: String?
    if path == nil, chosen == .window, try !SharedWindow.fits(layout.byteCount, communicator) {
      chosen = .messages
      note =
        "the ranks' gradients do not fit /dev/shm, so they go by messages: the same bits, but "
        + "slower; give it more room (mount -o remount,size=..., docker run --shm-size)"
    }
    self.communicator = communicator
    self.path = chosen
    self.note = note
    switch chosen {
    case .window:
      require(isOneHost, "TreeReduction: a window for ranks on several hosts")
      let reduction = try WindowReduction(
        communicator: communicator, shardCount: shardCount, elementCount: elementCount)
      arenas = reduction.arenas
      sum = reduction.allreduceSum
    case .messages:
      let reduction = MessageReduction(
        communicator: communicator, shardCount: shardCount, elementCount: elementCount)
      let arenas = own.map { _ in Tensor(zeros: [elementCount]) }
      let starts = arenas.map { $0.pointer(Float.self) }
      self.arenas = arenas
      sum = {
        try communicator.enter(.sum, of: .float32, count: elementCount, at: "gradients")
        try reduction.allreduceSum(starts)
        return UnsafePointer(starts[0])
      }
    }
  }

  /// The sum over all shards, `elementCount` floats. Other ranks may read the very same memory: it
  /// is not to be written, and holds until this rank's next sum or write to its arenas.
  ///
  /// Collective: every rank.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, where ranks are out of step;
  ///   MPIError.
  public func allreduceSum() throws -> UnsafePointer<Float> {
    if FaultPoint.reach("sum", rank: communicator.rank, step: communicator.step) == .skip {
      return UnsafePointer(arenas[0].pointer(Float.self))
    }
    return try sum()
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

/// What the reductions share: who sums which elements, and in which portions.
enum ReductionSlices {
  /// By rank: the elements it sums. They begin at multiples of 16 elements, a cache line.
  static func of(elementCount: Int, worldSize: Int) -> [Range<Int>] {
    let lines = (elementCount + 15) / 16
    let bounds = (0...worldSize).map { min(lines * $0 / worldSize * 16, elementCount) }
    return zip(bounds, bounds.dropFirst()).map { $0..<$1 }
  }

  /// Additions are done in runs of this many elements, 16 KiB, so that what one addition writes is
  /// still in the first-level cache when the next reads it.
  static let blockSize = 4096

  static func inBlocks(_ range: Range<Int>, _ body: (_ start: Int, _ count: Int) -> Void) {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockSize) {
      body(start, min(blockSize, range.upperBound - start))
    }
  }
}
