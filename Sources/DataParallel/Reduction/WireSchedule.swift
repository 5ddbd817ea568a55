import Tensors

/// The messages and additions of one host by which all hosts get the sum of one bucket: rounds of
/// messages, each followed by additions. It is a reduce-scatter followed by an allgather, in the
/// order of the tree (TreePlan).
///
/// If the hosts' partials are the leaves of a complete tree, it uses recursive halving and
/// doubling: 2 log2 H messages, which together have 2 (H - 1) / H of the bucket's bytes (Thakur,
/// Rabenseifner, Gropp 2005). Otherwise every host sums one slice and receives all partials of it:
/// the same number of bytes for each partial, but 2 (H - 1) messages.
package struct WireSchedule: Sendable {
  package enum Place: Sendable, Equatable {
    /// The host's own partial whose first leaf is this.
    case partial(Int)
    /// A receive buffer, by number.
    case received(Int)
    case sum
  }

  /// A message with the elements of `range`, to or from another host.
  package struct Message: Sendable, Equatable {
    package let host: Int
    package let place: Place
    package let range: Range<Int>
  }

  /// target = left + right.
  package struct Add: Sendable, Equatable {
    package let target: Place
    package let left: Place
    package let right: Place
    package let range: Range<Int>
  }

  package struct Round: Sendable, Equatable {
    package var sends: [Message] = []
    package var receives: [Message] = []
    package var adds: [Add] = []
  }

  package private(set) var rounds: [Round] = []
  /// The elements that each receive buffer holds, by its number.
  package private(set) var receivedRanges: [Range<Int>] = []

  /// - Parameters:
  ///   - plan: its owners are the hosts; there are at least two.
  ///   - host: the host that follows this schedule.
  ///   - bucket: elements of the arena.
  ///   - direct: never uses halving.
  package init(plan: TreePlan, host: Int, bucket: Range<Int>, direct: Bool = false) {
    if let order = plan.completeOrder, !direct {
      exchangeByHalving(plan, order, host, bucket)
    } else {
      exchangeDirectly(plan, host, bucket)
    }
    // Both hosts know which messages would be empty, so neither sends nor receives them.
    for i in rounds.indices {
      rounds[i].sends.removeAll { $0.range.isEmpty }
      rounds[i].receives.removeAll { $0.range.isEmpty }
      rounds[i].adds.removeAll { $0.range.isEmpty }
    }
  }

  private mutating func receivedPlace(_ range: Range<Int>) -> Place {
    receivedRanges.append(range)
    return .received(receivedRanges.count - 1)
  }

  private mutating func exchangeDirectly(_ plan: TreePlan, _ host: Int, _ bucket: Range<Int>) {
    let slices = ArenaSections.slices(of: bucket, count: plan.partials.count)
    // Starts with the next host, so that not all hosts send to the same host at once.
    let others = (1..<plan.partials.count).map { (host + $0) % plan.partials.count }
    let own = slices[host]
    var places: [Int: Place] = [:]
    var scatter = Round()
    for other in others {
      for partial in plan.partials[host] {
        let leaf = partial.leaves.lowerBound
        places[leaf] = .partial(leaf)
        scatter.sends.append(Message(host: other, place: .partial(leaf), range: slices[other]))
      }
      for partial in plan.partials[other] {
        let place = receivedPlace(own)
        places[partial.leaves.lowerBound] = place
        scatter.receives.append(Message(host: other, place: place, range: own))
      }
    }
    for (i, add) in plan.combining.enumerated() {
      let (left, right) = (places[add.dst]!, places[add.src]!)
      let isLast = i == plan.combining.count - 1
      scatter.adds.append(
        Add(target: isLast ? .sum : left, left: left, right: right, range: own))
    }
    var gather = Round()
    for other in others {
      gather.sends.append(Message(host: other, place: .sum, range: own))
      gather.receives.append(Message(host: other, place: .sum, range: slices[other]))
    }
    rounds = [scatter, gather]
  }

  /// First, pairs of hosts that are neighbours in the tree exchange halves of the bucket; then
  /// pairs of pairs exchange quarters, and so on. Addition of two floats is commutative, so both
  /// hosts of a pair get the bits of the tree's sum.
  private mutating func exchangeByHalving(
    _ plan: TreePlan, _ order: [Int], _ host: Int, _ bucket: Range<Int>
  ) {
    let position = order.firstIndex(of: host)!
    let own = Place.partial(plan.partials[host][0].leaves.lowerBound)
    var doubling: [Round] = []
    var range = bucket
    var distance = 1
    while distance < order.count {
      let partner = order[position ^ distance]
      let halves = ArenaSections.slices(of: range, count: 2)
      let isUpper = position & distance != 0
      let (kept, given) = (halves[isUpper ? 1 : 0], halves[isUpper ? 0 : 1])
      let place = receivedPlace(kept)
      let isLast = 2 * distance == order.count
      rounds.append(
        Round(
          sends: [Message(host: partner, place: own, range: given)],
          receives: [Message(host: partner, place: place, range: kept)],
          adds: [Add(target: isLast ? .sum : own, left: own, right: place, range: kept)]))
      doubling.append(
        Round(
          sends: [Message(host: partner, place: .sum, range: kept)],
          receives: [Message(host: partner, place: .sum, range: given)]))
      range = kept
      distance *= 2
    }
    rounds += doubling.reversed()
  }
}
