import Communication
import System
import Tensors

/// Checks that all ranks created the same network.
enum ModelAgreement {
  /// Collective: every rank.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank, naming the first parameter or
  ///   buffer that differs, on both sides.
  static func check(
    _ parameters: ArenaLayout, _ buffers: ArenaLayout, communicator: Communicator
  ) throws {
    guard communicator.worldSize > 1 else { return }
    func texts(_ what: String, _ layout: ArenaLayout) -> [String] {
      layout.entries.map { "\(what) \($0.name) \($0.shape)" }
    }
    let all = try communicator.allgather(texts("parameter", parameters) + texts("buffer", buffers))
    guard let other = all.first(where: { $0 != all[0] }) else { return }
    let place = zip(all[0], other).prefix { $0 == $1 }.count
    let groups = all.indices.grouped {
      all[$0].indices.contains(place) ? all[$0][place] : "nothing"
    }
    throw Failure(
      .ranksDisagree,
      "the ranks train different networks: entry \(place + 1) of the network is "
        + groups.map { "\($0.key) on \(rankList($0.ranks))" }.joined(separator: " and "),
      remedy: "make the same network on every rank")
  }
}
