import CKernels
import Communication
import System
import Tensors

/// Memory whose contents must be the same on every rank.
package struct ReplicatedArena {
  /// The kind of its contents, such as "parameters".
  package let name: String
  package let arena: Tensor
  /// The prefix of its tensors' names: "exp_avg." gives "exp_avg.1.weight".
  package let prefix: String
  /// The layout of its tensors; nil: it is one tensor, called `name`.
  package let layout: ArenaLayout?

  package init(_ name: String, _ arena: Tensor, prefix: String = "", layout: ArenaLayout? = nil) {
    self.name = name
    self.arena = arena
    self.prefix = prefix
    self.layout = layout
  }

  var byteCount: Int { arena.elementCount * arena.dtype.byteCount }

  /// Its tensors, in the layout's order.
  package var tensors: [(name: String, tensor: Tensor)] {
    guard let layout else { return [(name, arena)] }
    return layout.entries.map { (prefix + $0.name, layout.view($0, in: arena)) }
  }

  /// Each tensor's name, and a hash of its memory and of the gap after it.
  var hashes: [(name: String, hash: UInt64)] {
    guard let layout else { return [(name, nd_hash(arena.rawPointer, byteCount))] }
    let ends = layout.entries.dropFirst().map(\.offset) + [arena.elementCount]
    return zip(layout.entries, ends).map { entry, end in
      let size = arena.dtype.byteCount
      let start = arena.rawPointer + entry.offset * size
      return (prefix + entry.name, nd_hash(start, (end - entry.offset) * size))
    }
  }
}

/// Compares the memory that must be the same on every rank.
package enum ReplicaCheck {
  /// Throws if the arenas' bits differ between ranks. If they are equal, it costs one allgather of
  /// 8 bytes for each rank.
  ///
  /// Collective: every rank must call it, with the same arenas in the same order.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, naming the tensors that differ,
  ///   and the ranks, with their hosts, that differ from the majority. (Without a majority, as with
  ///   two ranks, it names all sides.)
  package static func verify(
    _ arenas: [ReplicatedArena], step: Int, communicator: Communicator
  ) throws {
    guard communicator.worldSize > 1 else { return }
    let hashes = arenas.map { nd_hash($0.arena.rawPointer, $0.byteCount) }
    let whole = hashes.withUnsafeBytes { nd_hash($0.baseAddress!, $0.count) }
    let wholes = try communicator.allgather(whole)
    if wholes.allSatisfy({ $0 == wholes[0] }) { return }

    let mine = arenas.flatMap(\.hashes)
    let bytes = mine.map(\.hash).withUnsafeBytes { Array($0) }
    let all = try communicator.allgather(bytes: bytes).map { bytes in
      bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    }
    let hosts = try communicator.allgather(bytes: Array(communicator.hostName.utf8))
      .map { String(decoding: $0, as: UTF8.self) }
    let differing = mine.indices.filter { tensor in
      all.contains { $0[tensor] != all[0][tensor] }
    }
    let names = differing.map { mine[$0].name }
    throw Failure(
      .trainingFailed,
      "the replicas differ at step \(step): \(list(names)), "
        + verdict(differing.isEmpty ? wholes : all.map { $0[differing[0]] }, hosts: hosts),
      remedy: "run again with --resume to go on from the last checkpoint; if it comes back, "
        + "suspect that rank's memory")
  }

  private static func list(_ names: [String]) -> String {
    if names.isEmpty { return "their memory between two comparisons" }
    let more = names.count > 3 ? " and \(names.count - 3) more" : ""
    return (names.count == 1 ? "tensor " : "tensors ") + names.prefix(3).joined(separator: ", ")
      + more
  }

  /// The part of the message that names the ranks with a wrong tensor: those whose hashes are in
  /// the minority.
  /// - Parameters:
  ///   - hashes: by rank, hashes of one tensor; not all are equal.
  ///   - hosts: host names by rank.
  package static func verdict(_ hashes: [UInt64], hosts: [String]) -> String {
    let groups = hashes.indices.grouped { hashes[$0] }
    let largest = groups.map(\.ranks.count).max()!
    let leaders = groups.filter { $0.ranks.count == largest }
    if leaders.count > 1 {
      let sides = groups.map { rankList($0.ranks, hosts: hosts) }
      return "between " + sides.joined(separator: " and ")
        + (hashes.count == 2 ? ": two cannot vote" : ": no majority")
    }
    let ranks = hashes.indices.filter { hashes[$0] != leaders[0].key }
    return "on \(rankList(ranks, hosts: hosts)) against \(largest) of \(hashes.count) ranks"
  }
}
