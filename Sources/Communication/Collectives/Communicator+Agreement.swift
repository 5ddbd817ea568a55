import Foundation
import System
import Tensors

extension Communicator {
  /// What a rank tells the others when something is wrong.
  private struct Report: Codable {
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
  /// Collective: every rank, with the same `phase`, which `enter` compares.
  /// - Parameter phase: what is being done, such as "loading data"; named in the message of an error
  ///   that is not a Failure.
  /// - Throws: Failure; MPIError where the agreement itself could not be reached.
  package func agree<T>(on phase: String, _ body: () throws -> T) throws -> T {
    let outcome = Result { try body() }.mapError { Failure($0, during: phase) }
    if FaultPoint.reach(phase, rank: rank, step: step) == .skip { return try outcome.get() }
    try enter(
      CollectiveHeader(.agreement, .none, count: nil, step: step, site: .text(phase), line: 0))
    // One word a rank decides the common case: 0 for success.
    let words = try allgatherUnguarded(UInt64(outcome.failure?.status.rawValue ?? 0))
    if case .success(let value) = outcome, words.allSatisfy({ $0 == 0 }) { return value }
    throw try judgement(Report(hostName: hostName, failure: outcome.failure))
  }

  /// The Failure that follows from every rank's report, the same on all.
  private func judgement(_ mine: Report) throws -> Failure {
    let reports = try allgatherUnguarded(bytes: Array(try JSONEncoder().encode(mine)))
      .map { try JSONDecoder().decode(Report.self, from: Data($0)) }
    guard let lowest = reports.firstIndex(where: { $0.failure != nil }),
      let failure = reports[lowest].failure
    else { fatalError("agree: no rank reported what it announced") }
    if reports.allSatisfy({ $0.failure == failure }) { return failure }
    return Failure(
      failure.status,
      "\(failure.message) (rank \(lowest) of \(worldSize), host \(reports[lowest].hostName))",
      remedy: failure.remedy)
  }
}

extension Result where Failure == System.Failure {
  fileprivate var failure: Failure? {
    if case .failure(let failure) = self { return failure }
    return nil
  }
}
