import CKernels
import Communication
import TensorCore

/// The tree's sum by messages between ranks, wherever they are.
///
/// Every rank sums one slice of the elements: it is sent the others' partials of that slice, adds
/// them in the order of the tree, and sends its sum to all. A rank with one partial sends
/// 2 (P - 1) / P arenas.
final class MessageReduction {
  private let communicator: Communicator
  private let plan: TreePlan
  private let ownShards: Range<Int>
  /// By rank: the elements it sums.
  private let slices: [Range<Int>]
  /// The other ranks' partials of this rank's slice, one after another.
  private let received: Storage
  /// By leaf: where in `received` its partial begins; nil where the leaf begins no other rank's.
  private let receivedAt: [UnsafeMutablePointer<Float>?]

  /// - Precondition: worldSize <= shardCount; elementCount > 0.
  init(communicator: Communicator, shardCount: Int, elementCount: Int) {
    self.communicator = communicator
    let rank = communicator.rank
    let worldSize = communicator.worldSize
    plan = TreePlan(shardCount: shardCount, worldSize: worldSize)
    ownShards = ShardRange.of(rank: rank, worldSize: worldSize, shardCount: shardCount)

    slices = ReductionSlices.of(elementCount: elementCount, worldSize: worldSize)
    let others = plan.partials.enumerated().filter { $0.offset != rank }.flatMap(\.element)
    let pitch = (slices[rank].count + 15) / 16 * 16
    received = Storage(byteCount: others.count * pitch * MemoryLayout<Float>.stride)
    let base = received.base.assumingMemoryBound(to: Float.self)
    var receivedAt = [UnsafeMutablePointer<Float>?](repeating: nil, count: shardCount)
    for (i, partial) in others.enumerated() {
      receivedAt[partial.leaves.lowerBound] = base + i * pitch
    }
    self.receivedAt = receivedAt
  }

  /// Makes `arenas[0]` of every rank the sum over all shards; the other arenas are scratch after it.
  ///
  /// Collective: every rank.
  /// - Parameter arenas: this rank's shards' arenas in shard order, `elementCount` floats each.
  /// - Throws: MPIError.
  func allreduceSum(_ arenas: [UnsafeMutablePointer<Float>]) throws {
    guard arenas.count == ownShards.count else {
      fatalError("MessageReduction: \(arenas.count) arenas for \(ownShards.count) shards")
    }
    try finishing { try exchangePartials(arenas, &$0) }
    combine(arenas)
    try finishing { try exchangeSums(arenas[0], &$0) }
  }

  /// Runs `post` and waits for the requests it adds.
  private func finishing(_ post: (inout [Request]) throws -> Void) throws {
    var requests: [Request] = []
    do {
      try post(&requests)
    } catch {
      for request in requests { request.abandon() }
      throw error
    }
    try communicator.waitAll(requests)
  }

  /// Makes this rank's partials, each slice of them sent to the rank that sums it. The tag of a
  /// partial is its leftmost leaf.
  private func exchangePartials(
    _ arenas: [UnsafeMutablePointer<Float>], _ requests: inout [Request]
  ) throws {
    let rank = communicator.rank
    // Receives first, so that whatever arrives finds its buffer.
    for (peer, partials) in plan.partials.enumerated() where peer != rank {
      for leaf in partials.map(\.leaves.lowerBound) {
        requests += try receive(slices[rank].count, into: receivedAt[leaf]!, from: peer, tag: leaf)
      }
    }
    let own = plan.partials[rank]
    let adds = own.flatMap(\.adds)
    let offset = ownShards.lowerBound
    // Beginning after its own rank, so that not all send to the same one at once; its own slice is
    // made last, while messages travel.
    for step in 1...communicator.worldSize {
      let peer = (rank + step) % communicator.worldSize
      ReductionSlices.inBlocks(slices[peer]) { start, count in
        for add in adds {
          nd_add_into(arenas[add.dst - offset] + start, arenas[add.src - offset] + start, count)
        }
      }
      if peer == rank { continue }
      for leaf in own.map(\.leaves.lowerBound) {
        requests += try send(slices[peer], of: arenas[leaf - offset], to: peer, tag: leaf)
      }
    }
  }

  /// Adds all partials of this rank's slice; the last addition writes the sum to `arenas[0]`.
  private func combine(_ arenas: [UnsafeMutablePointer<Float>]) {
    guard let last = plan.combining.last else { return }
    let slice = slices[communicator.rank]
    var partialAt = receivedAt
    for leaf in plan.partials[communicator.rank].map(\.leaves.lowerBound) {
      partialAt[leaf] = arenas[leaf - ownShards.lowerBound] + slice.lowerBound
    }
    let sum = arenas[0] + slice.lowerBound
    ReductionSlices.inBlocks(0..<slice.count) { start, count in
      for add in plan.combining.dropLast() {
        nd_add_into(partialAt[add.dst]! + start, partialAt[add.src]! + start, count)
      }
      nd_add(sum + start, partialAt[last.dst]! + start, partialAt[last.src]! + start, count)
    }
  }

  /// Sends this rank's slice of the sum to all and receives theirs, with a tag above all leaves.
  private func exchangeSums(
    _ arena: UnsafeMutablePointer<Float>, _ requests: inout [Request]
  ) throws {
    let others = slices.indices.filter { $0 != communicator.rank }
    let tag = plan.shardCount
    for peer in others {
      let slice = slices[peer]
      requests += try receive(slice.count, into: arena + slice.lowerBound, from: peer, tag: tag)
    }
    for peer in others {
      requests += try send(slices[communicator.rank], of: arena, to: peer, tag: tag)
    }
  }

  /// One request, or none for an empty slice.
  private func receive(
    _ count: Int, into start: UnsafeMutablePointer<Float>, from peer: Int, tag: Int
  ) throws -> [Request] {
    if count == 0 { return [] }
    let buffer = UnsafeMutableBufferPointer(start: start, count: count)
    return [try communicator.receive(into: buffer, from: peer, tag: tag)]
  }

  private func send(
    _ slice: Range<Int>, of arena: UnsafeMutablePointer<Float>, to peer: Int, tag: Int
  ) throws -> [Request] {
    if slice.isEmpty { return [] }
    let buffer = UnsafeBufferPointer(start: arena + slice.lowerBound, count: slice.count)
    return [try communicator.send(buffer, to: peer, tag: tag)]
  }
}
