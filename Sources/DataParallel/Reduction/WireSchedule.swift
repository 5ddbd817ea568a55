import Tensors

/// What one host sends, receives and adds so that all hosts get the sum of one bucket: rounds of
/// messages, each followed by additions. Reduce-scatter, then allgather, in the order of the tree.
///
/// Where the hosts' partials are the leaves of a complete tree, by recursive halving and doubling:
/// 2 log2 H messages of together 2 (H - 1) / H of the bucket (Thakur, Rabenseifner, Gropp 2005).
/// Elsewhere every host sums one slice and is sent all partials of it: as many bytes a partial, and
/// 2 (H - 1) messages.
package struct WireSchedule: Sendable {
  package enum Place: Sendable, Equatable {
    /// The host's own partial that begins at this leaf.
    case partial(Int)
    /// Memory for what arrives, by number.
    case received(Int)
    case sum
  }

  /// The elements of `range`, to or from another host.
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
  /// What each `received` has to hold.
  package private(set) var receivedRanges: [Range<Int>] = []

  /// - Parameters:
  ///   - plan: its owners are the hosts, more than one.
  ///   - host: whose part this is.
  ///   - bucket: elements of the arena.
  ///   - direct: never by halving.
  package init(plan: TreePlan, host: Int, bucket: Range<Int>, direct: Bool = false) {
    if let order = plan.completeOrder, !direct {
      halve(plan, order, host, bucket)
    } else {
      exchangeDirectly(plan, host, bucket)
    }
    // Both sides know which messages would be empty.
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
    // Beginning after the host itself, so that not all send to the same one at once.
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

  /// The pairs that are neighbours in the tree come first, with half of the bucket each, then pairs of
  /// pairs with a quarter: floats add up in either order to the same bits.
  private mutating func halve(
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
