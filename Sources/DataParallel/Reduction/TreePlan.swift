import Communication
import System

/// The assignment of shards to ranks.
package enum ShardRange {
  /// The shards of `rank`: contiguous and in rank order. The ranges are not empty, and their sizes
  /// differ by at most one.
  /// - Precondition: 0 <= rank < worldSize <= shardCount.
  package static func of(rank: Int, worldSize: Int, shardCount: Int) -> Range<Int> {
    guard 0 <= rank, rank < worldSize, worldSize <= shardCount else {
      fatalError("ShardRange: rank \(rank) of \(worldSize) ranks over \(shardCount) shards")
    }
    return rank * shardCount / worldSize..<(rank + 1) * shardCount / worldSize
  }

  /// The shards of this rank.
  /// - Throws: `Failure(.usage)` for more ranks than shards.
  static func checked(_ world: Communicator, shardCount: Int) throws -> Range<Int> {
    guard world.worldSize <= shardCount else {
      throw Failure(
        .usage, "\(world.worldSize) ranks for \(shardCount) shards",
        remedy: "use at most \(shardCount) ranks, or start a run with more --shards")
    }
    return of(rank: world.rank, worldSize: world.worldSize, shardCount: shardCount)
  }
}

/// The additions by which several owners (hosts or ranks) compute one sum over S shards. The bits
/// of the sum do not depend on which owner has which shards.
///
/// The sum is one binary tree over the leaves 0 ..< S: a node of n > 1 leaves splits after the
/// largest power of two below n. A node's sum is kept in its leftmost leaf's buffer. So an inner
/// node is one addition, `buffer[dst] += buffer[src]`, which adds its right child's sum to its left
/// child's. Each owner first computes its partials: the sums of the largest nodes whose leaves are
/// all its own. Then the partials of all owners are combined.
package struct TreePlan: Sendable, Equatable {
  /// `buffer[dst] += buffer[src]`; dst and src are leaves.
  package struct Add: Sendable, Equatable {
    package let dst: Int
    package let src: Int
  }

  /// The sum of a largest node whose leaves all belong to one owner.
  package struct Partial: Sendable, Equatable {
    /// Its leaves; the first one's buffer receives the sum.
    package let leaves: Range<Int>
    /// The additions of the sum, in order.
    package let adds: [Add]
  }

  package let shardCount: Int
  /// By owner, then by leaf; at most about 2 log2 S for each contiguous run of an owner's leaves.
  package let partials: [[Partial]]
  /// The additions that combine all partials to the total, in order. The total is in buffer 0.
  package let combining: [Add]

  /// - Parameters:
  ///   - owners: the owner of each leaf.
  ///   - ownerCount: the number of owners; an owner may have no leaf.
  /// - Precondition: at least one leaf; owners in 0 ..< ownerCount.
  package init(owners: [Int], ownerCount: Int) {
    shardCount = owners.count
    var partials = [[Partial]](repeating: [], count: ownerCount)
    /// Returns the owner of all leaves of `node`. If there are several, returns nil and records
    /// their partials.
    func visit(_ node: Range<Int>) -> Int? {
      if node.count == 1 { return owners[node.lowerBound] }
      let middle = TreePlan.split(node)
      let (left, right) = (node.lowerBound..<middle, middle..<node.upperBound)
      let (a, b) = (visit(left), visit(right))
      if let a, a == b { return a }
      if let a { note(left, a) }
      if let b { note(right, b) }
      return nil
    }
    func note(_ node: Range<Int>, _ owner: Int) {
      partials[owner].append(
        Partial(leaves: node, adds: TreePlan.adds(of: node, downTo: { $0.count == 1 })))
    }
    if let owner = visit(0..<owners.count) { note(0..<owners.count, owner) }
    self.partials = partials.map { $0.sorted { $0.leaves.lowerBound < $1.leaves.lowerBound } }
    let isPartial = Set(partials.joined().map(\.leaves))
    combining = TreePlan.adds(of: 0..<owners.count, downTo: isPartial.contains)
  }

  /// Creates the plan whose owners are ranks, with the shards of `ShardRange`.
  /// - Precondition: 1 <= worldSize <= shardCount.
  package init(shardCount: Int, worldSize: Int) {
    let owners = (0..<worldSize).flatMap { rank in
      ShardRange.of(rank: rank, worldSize: worldSize, shardCount: shardCount).map { _ in rank }
    }
    self.init(owners: owners, ownerCount: worldSize)
  }

  /// The owners in the order of their leaves, if each has one partial and the partials are the
  /// leaves of a complete binary tree: then recursive halving can add them, pair by pair. Otherwise
  /// nil.
  package var completeOrder: [Int]? {
    guard partials.allSatisfy({ $0.count == 1 }), partials.count.nonzeroBitCount == 1 else {
      return nil
    }
    let order = partials.indices.sorted {
      partials[$0][0].leaves.lowerBound < partials[$1][0].leaves.lowerBound
    }
    let nodes = order.map { partials[$0][0].leaves }
    func isComplete(_ node: Range<Int>, _ nodes: ArraySlice<Range<Int>>) -> Bool {
      if nodes.count == 1 { return nodes.first == node }
      let middle = TreePlan.split(node)
      let half = nodes.startIndex + nodes.count / 2
      return isComplete(node.lowerBound..<middle, nodes[..<half])
        && isComplete(middle..<node.upperBound, nodes[half...])
    }
    return isComplete(0..<shardCount, nodes[...]) ? order : nil
  }

  /// The first leaf of the right child of a node with more than one leaf.
  private static func split(_ leaves: Range<Int>) -> Int {
    let log2 = Int.bitWidth - 1 - (leaves.count - 1).leadingZeroBitCount
    return leaves.lowerBound + (1 << log2)
  }

  /// An operand of an addition if the whole tree is summed without changing the leaves.
  package enum Place: Sendable, Equatable {
    case leaf(Int)
    /// One of a few buffers, counted from 0, for the sums of inner nodes.
    case scratch(Int)
    case total
  }

  /// `target = left + right`; the target may be one of the two.
  package struct Sum: Sendable, Equatable {
    package let target: Place
    package let left: Place
    package let right: Place
  }

  /// The additions of the sum of all leaves, children first. They use at most log2 S scratch
  /// buffers.
  /// - Precondition: shardCount > 1.
  package static func sums(shardCount: Int) -> [Sum] {
    require(shardCount > 1, "a sum of \(shardCount) shards has no addition")
    return sums(of: 0..<shardCount, into: .total, firstFree: 0)
  }

  /// - Parameter firstFree: the first scratch buffer that may be used.
  private static func sums(of node: Range<Int>, into target: Place, firstFree: Int) -> [Sum] {
    var sums: [Sum] = []
    var free = firstFree
    func place(_ child: Range<Int>) -> Place {
      if child.count == 1 { return .leaf(child.lowerBound) }
      let place = Place.scratch(free)
      free += 1
      // The child may use its result's buffer as scratch, because it writes the result last.
      sums += TreePlan.sums(of: child, into: place, firstFree: free - 1)
      return place
    }
    let middle = split(node)
    let left = place(node.lowerBound..<middle)
    let right = place(middle..<node.upperBound)
    return sums + [Sum(target: target, left: left, right: right)]
  }

  /// The additions of the sum of `node`, children first, from nodes whose sums are available.
  private static func adds(of node: Range<Int>, downTo isAvailable: (Range<Int>) -> Bool) -> [Add] {
    if isAvailable(node) { return [] }
    let middle = split(node)
    return adds(of: node.lowerBound..<middle, downTo: isAvailable)
      + adds(of: middle..<node.upperBound, downTo: isAvailable)
      + [Add(dst: node.lowerBound, src: middle)]
  }
}
