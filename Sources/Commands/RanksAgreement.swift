import Communication
import Foundation
import System

/// Whether all ranks were given the same recipe and options.
enum RanksAgreement {
  /// What all ranks must be given alike, by key: the recipe's values and some options.
  typealias Settings = [(key: String, value: String)]

  static let notGiven = "not given"

  /// Collective: every rank must call it.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank, naming the first key that differs,
  ///   each value and the ranks that have it.
  static func check(_ settings: Settings, communicator: Communicator) throws {
    let flat = settings.map { [$0.key, $0.value] }
    let texts = try communicator.allgather(bytes: Array(try JSONEncoder().encode(flat)))
    if texts.allSatisfy({ $0 == texts[0] }) { return }
    let all = try texts.map { text in
      try JSONDecoder().decode([[String]].self, from: Data(text)).map { ($0[0], $0[1]) }
    }
    throw difference(all)
  }

  /// - Parameter all: by rank; not all the same.
  static func difference(_ all: [Settings]) -> Failure {
    // As dictionaries, and all keys in the order in which some rank has them.
    let values = all.map { Dictionary($0.map { ($0.key, $0.value) }) { first, _ in first } }
    var known: Set<String> = []
    let keys = all.joined().map(\.key).filter { known.insert($0).inserted }
    let differing = keys.filter { key in values.contains { $0[key] != values[0][key] } }
    require(!differing.isEmpty, "recipes with the same values that are not the same")
    let key = differing[0]
    let sides = values.indices.grouped { values[$0][key] ?? notGiven }
      .map { "\($0.key) on \(rankList($0.ranks))" }
    let more = differing.count > 1 ? " (\(differing.count - 1) more keys differ)" : ""
    return Failure(
      .ranksDisagree,
      "ranks were given different recipes or options: \(key) is "
        + sides.joined(separator: " and ") + more,
      remedy: "start every rank with the same command line and recipe file")
  }
}
