import Communication
import System

/// Checks that all ranks were given the same recipe and options.
package enum SettingsAgreement {
  /// Settings that must be the same on all ranks, by key.
  package typealias Settings = [(key: String, value: String)]

  package static let notGiven = "not given"

  /// Collective: every rank must call it.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank. It names the first key that
  ///   differs, and each value with the ranks that have it.
  package static func check(_ settings: Settings, world: Communicator) throws {
    guard world.worldSize > 1 else { return }
    let all = try world.allgather(settings.map { [$0.key, $0.value] })
    if all.allSatisfy({ $0 == all[0] }) { return }
    throw difference(all.map { $0.map { (key: $0[0], value: $0[1]) } })
  }

  /// - Parameter all: the settings of each rank; not all the same.
  package static func difference(_ all: [Settings]) -> Failure {
    // The settings as dictionaries, and the union of their keys in the ranks' order.
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
