import Communication
import Datasets
import System

/// Whether all ranks read the same training data, and a run that goes on the same as before.
enum DataAgreement {
  /// Collective: every rank, with the same state.
  /// - Parameters:
  ///   - data: what this rank read.
  ///   - state: given the data's digest where it had none.
  /// - Throws: Failure, the same on every rank: `ranksDisagree` naming the digests and the ranks that
  ///   have them, with host and path; `badData` where the data changed since they were trained on.
  static func check(
    _ data: SampleStore, _ state: inout CheckpointState, communicator: Communicator
  ) throws {
    guard let mine = data.sourceDigest else { return }
    let digests = try communicator.allgather(mine)
    if digests.contains(where: { $0 != digests[0] }) {
      throw try disagreement(digests, data.sourceName, communicator)
    }
    let digest = hexadecimal(mine)
    if let before = state.dataDigest, before != digest {
      throw Failure(
        .badData,
        "\(data.sourceName) is not what the run was trained on until step \(state.step): the data's "
          + "digest is \(digest), not \(before)",
        remedy: "bring the old data back, or start a new run with --run DIR")
    }
    state.dataDigest = digest
  }

  private static func disagreement(
    _ digests: [UInt64], _ name: String, _ communicator: Communicator
  ) throws -> Failure {
    let places = try communicator.allgather(
      bytes: Array("\(name) on \(communicator.hostName)".utf8)
    )
    .map { String(decoding: $0, as: UTF8.self) }
    let sides = digests.indices.grouped { digests[$0] }.map { digest, ranks in
      "\(hexadecimal(digest)) on \(rankList(ranks)) (\(places[ranks[0]]))"
    }
    return Failure(
      .ranksDisagree,
      "the ranks read different training data: digest " + sides.joined(separator: " and "),
      remedy: "give every host the same data")
  }

  private static func hexadecimal(_ digest: UInt64) -> String {
    let digits = String(digest, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
