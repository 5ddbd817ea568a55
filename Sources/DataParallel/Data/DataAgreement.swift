import Communication
import Datasets
import System
import Tensors

/// Checks that all ranks read the same training data, and that a resumed run reads the same data as
/// before.
enum DataAgreement {
  /// Collective: every rank, with the same facts.
  /// - Parameters:
  ///   - store: the data that this rank read.
  ///   - facts: what is known of the data; its digest is set.
  ///   - step: the number of steps that the run has taken.
  /// - Throws: Failure, the same on every rank: `ranksDisagree` naming both sides and their ranks,
  ///   with host and path; `badData` if the data changed since the run was trained on them.
  static func check(
    _ store: SampleStore, _ facts: inout DataFacts, step: Int, communicator: Communicator
  ) throws {
    let counts = try communicator.allgather(UInt64(store.sampleCount))
    if counts.contains(where: { $0 != counts[0] }) {
      throw try disagreement(
        counts.map { counted(Int($0), "sample") }, store.sourceName, communicator)
    }
    guard let mine = store.sourceDigest else { return }
    let digests = try communicator.allgather(mine)
    if digests.contains(where: { $0 != digests[0] }) {
      throw try disagreement(
        digests.map { "digest " + hexadecimal($0) }, store.sourceName, communicator)
    }
    let digest = hexadecimal(mine)
    if let before = facts.digest, before != digest {
      throw Failure(
        .badData,
        "\(store.sourceName) is not what the run was trained on until step \(step): the data's "
          + "digest is \(digest), not \(before)",
        remedy: "bring the old data back, or start a new run with --run DIR")
    }
    facts.digest = digest
  }

  /// - Parameter sides: by rank, a description of the data that it read.
  private static func disagreement(
    _ sides: [String], _ name: String, _ communicator: Communicator
  ) throws -> Failure {
    let places = try communicator.allgather("\(name) on \(communicator.hostName)")
    let texts = sides.indices.grouped { sides[$0] }.map { side, ranks in
      "\(side) on \(rankList(ranks)) (\(places[ranks[0]]))"
    }
    return Failure(
      .ranksDisagree, "the ranks read different training data: " + texts.joined(separator: " and "),
      remedy: "give every host the same data")
  }

  private static func hexadecimal(_ digest: UInt64) -> String {
    let digits = String(digest, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
