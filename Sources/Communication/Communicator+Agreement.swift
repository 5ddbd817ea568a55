import Foundation
import TensorCore

extension Communicator {
  /// What a rank tells the others when something is wrong.
  private struct Report: Codable {
    let phase: String
    let hostName: String
    let failure: Failure?
  }

  /// Runs `body` on every rank and returns its value, or throws the same Failure on every rank when
  /// it failed on any: that of the lowest rank that failed, with ` (rank 1 of 4, host h)` added
  /// unless every rank failed with the same.
  ///
  /// Ranks that are done early wait quietly. `body` must make no collective call after a step that
  /// can fail on one rank alone.
  ///
  /// Collective: every rank, with the same `phase`.
  /// - Parameter phase: what is being done, such as "loading data"; named in the message of an error
  ///   that is not a Failure.
  /// - Throws: Failure; MPIError where the agreement itself could not be reached.
  public func agree<T>(on phase: String, _ body: () throws -> T) throws -> T {
    let outcome = Result { try body() }.mapError { Failure($0, during: phase) }
    try quietBarrier()
    // One word a rank decides the common case: the status (0: none) below a hash of the phase.
    let phaseWord = Communicator.hash(phase) << 8
    let words = try allgather(phaseWord | UInt64(outcome.failure?.status.rawValue ?? 0))
    if case .success(let value) = outcome, words.allSatisfy({ $0 == phaseWord }) { return value }
    throw try judgement(Report(phase: phase, hostName: hostName, failure: outcome.failure))
  }

  /// The Failure that follows from every rank's report, the same on all.
  private func judgement(_ mine: Report) throws -> Failure {
    let reports = try allgather(bytes: Array(try JSONEncoder().encode(mine)))
      .map { try JSONDecoder().decode(Report.self, from: Data($0)) }
    if let other = reports.firstIndex(where: { $0.phase != reports[0].phase }) {
      return Failure(
        .trainingFailed,
        "ranks are out of step: rank 0 is at '\(reports[0].phase)', "
          + "rank \(other) at '\(reports[other].phase)'")
    }
    guard let lowest = reports.firstIndex(where: { $0.failure != nil }),
      let failure = reports[lowest].failure
    else { fatalError("agree: no rank reported what it announced") }
    if reports.allSatisfy({ $0.failure == failure }) { return failure }
    return Failure(
      failure.status,
      "\(failure.message) (rank \(lowest) of \(worldSize), host \(reports[lowest].hostName))",
      remedy: failure.remedy)
  }

  /// FNV-1a: the same in every process, which Hasher is not.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
  }
}

extension Result where Failure == TensorCore.Failure {
  fileprivate var failure: Failure? {
    if case .failure(let failure) = self { return failure }
    return nil
  }
}
