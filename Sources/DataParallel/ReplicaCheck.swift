import CKernels
import Communication
import TensorCore

/// Compares what every rank must hold alike.
public enum ReplicaCheck {
  /// Throws if the arenas' bits differ between ranks.
  ///
  /// Collective: every rank must call it, with the same arenas in the same order.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, naming the arena and the ranks
  ///   that differ from most of the others. (Two ranks that differ cannot vote: then both are named.)
  public static func verify(
    _ arenas: [(name: String, arena: Tensor)], step: Int, communicator: Communicator
  ) throws {
    guard communicator.worldSize > 1 else { return }
    for (name, arena) in arenas {
      let hash = nd_hash(arena.rawPointer, arena.elementCount * arena.dtype.byteCount)
      let hashes = try communicator.allgather(hash)
      guard let outliers = outliers(hashes) else { continue }
      throw Failure(
        .trainingFailed,
        "the replicas' \(name) differ at step \(step): \(outliers)",
        remedy: "run again with --resume to go on from the last checkpoint; if it comes back, "
          + "suspect that rank's memory")
    }
  }

  /// Which ranks hold another hash than most; nil if all agree.
  package static func outliers(_ hashes: [UInt64]) -> String? {
    var votes: [UInt64: Int] = [:]
    for hash in hashes { votes[hash, default: 0] += 1 }
    if votes.count <= 1 { return nil }
    let most = votes.values.max()!
    let leaders = votes.filter { $0.value == most }
    if leaders.count > 1 { return "no majority among ranks 0 to \(hashes.count - 1)" }
    let ranks = hashes.indices.filter { hashes[$0] != leaders.first!.key }
    return ranks.map { "rank \($0)" }.joined(separator: ", ")
      + " against \(most) of \(hashes.count) ranks"
  }
}
