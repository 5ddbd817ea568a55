import Communication
import TensorCore

/// Whether all ranks were given the same recipe and options.
enum RanksAgreement {
  /// Collective: every rank must call it.
  /// - Parameter text: the recipe, and what else all ranks must be given alike.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank, naming the first line that differs
  ///   and both ranks' values.
  static func check(_ text: String, communicator: Communicator) throws {
    let all = try communicator.allgather(bytes: Array(text.utf8))
    guard let rank = all.firstIndex(where: { $0 != all[0] }) else { return }
    func lines(_ rank: Int) -> [Substring] {
      String(decoding: all[rank], as: UTF8.self).split(separator: "\n")
    }
    let (mine, other) = (lines(0), lines(rank))
    let index = zip(mine, other).enumerated().first { $0.1.0 != $0.1.1 }?.0 ?? 0
    throw Failure(
      .ranksDisagree,
      "ranks were given different recipes or options: rank 0 has `\(mine[index].trimmed)`, rank \(rank) "
        + "`\(other[index].trimmed)`",
      remedy: "start every rank with the same command line and recipe file")
  }
}

extension Substring {
  fileprivate var trimmed: Substring { drop { $0 == " " } }
}
