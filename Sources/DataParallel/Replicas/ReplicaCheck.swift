import CKernels
import Communication
import System
import Tensors

/// Memory that every rank must hold alike.
package struct ReplicatedArena {
  /// What it holds, such as "parameters".
  package let name: String
  package let arena: Tensor
  /// Names in front of the tensors' own: "exp_avg." makes "exp_avg.1.weight".
  package let prefix: String
  /// Where its tensors lie; nil: it is one tensor, called `name`.
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

  /// Each tensor's name, and a hash of its memory and of the gap behind it.
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

/// Compares what every rank must hold alike.
package enum ReplicaCheck {
  /// Throws if the arenas' bits differ between ranks. Where they agree, one message of 8 bytes a rank.
  ///
  /// Collective: every rank must call it, with the same arenas in the same order.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, naming the tensors that differ, and
  ///   the ranks that differ from most of the others with their hosts. (Two ranks that differ cannot
  ///   vote: then both are named.)
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

  /// Who is to blame for a tensor of these hashes, by rank, which are not all the same: those in the
  /// minority.
  package static func verdict(_ hashes: [UInt64], hosts: [String]) -> String {
    let groups = hashes.indices.grouped { hashes[$0] }
    let most = groups.map(\.ranks.count).max()!
    let leaders = groups.filter { $0.ranks.count == most }
    if leaders.count > 1 {
      let sides = groups.map { rankList($0.ranks, hosts: hosts) }
      return "between " + sides.joined(separator: " and ")
        + (hashes.count == 2 ? ": two cannot vote" : ": no majority")
    }
    let ranks = hashes.indices.filter { hashes[$0] != leaders[0].key }
    return "on \(rankList(ranks, hosts: hosts)) against \(most) of \(hashes.count) ranks"
  }
}
