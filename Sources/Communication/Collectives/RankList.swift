/// A list of ranks for messages: "rank 3", "ranks 0, 2", "ranks 0 to 61, 63".
/// - Parameter ranks: in ascending order, at least one.
package func rankList(_ ranks: [Int]) -> String {
  var runs: [ClosedRange<Int>] = []
  for rank in ranks {
    if let last = runs.last, last.upperBound == rank - 1 {
      runs[runs.count - 1] = last.lowerBound...rank
    } else {
      runs.append(rank...rank)
    }
  }
  let texts = runs.flatMap { run in
    // "0, 1" is shorter than "0 to 1".
    run.count > 2 ? ["\(run.lowerBound) to \(run.upperBound)"] : run.map(String.init)
  }
  return (ranks.count == 1 ? "rank " : "ranks ") + texts.joined(separator: ", ")
}

/// A list of ranks with their hosts: "ranks 0, 2 (hosts a, b)".
/// - Parameter hosts: host names by rank.
package func rankList(_ ranks: [Int], hosts: [String]) -> String {
  let names = ranks.grouped { hosts[$0] }.map(\.key)
  let more = names.count > 3 ? " and \(names.count - 3) more" : ""
  return rankList(ranks) + (names.count == 1 ? " (host " : " (hosts ")
    + names.prefix(3).joined(separator: ", ") + more + ")"
}

extension Sequence where Element == Int {
  /// Groups ranks that have the same key. Groups are in the order of their lowest ranks.
  package func grouped<Key: Hashable>(
    by key: (Int) throws -> Key
  ) rethrows -> [(key: Key, ranks: [Int])] {
    var groups: [(key: Key, ranks: [Int])] = []
    var places: [Key: Int] = [:]
    for rank in self {
      let key = try key(rank)
      if let place = places[key] {
        groups[place].ranks.append(rank)
      } else {
        places[key] = groups.count
        groups.append((key, [rank]))
      }
    }
    return groups
  }
}
