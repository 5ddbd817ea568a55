import Foundation
import System
import Tensors

extension Communicator {
  /// What each rank sends to the others if any rank failed.
  private struct Report: Codable {
    let hostName: String
    let failure: Failure?
  }

  /// Runs `body` on every rank and returns its value. If it fails on any rank, throws the same
  /// Failure on every rank: that of the lowest rank that failed. ` (rank 1 of 4, host h)` is added
  /// to its message unless every rank failed with the same Failure.
  ///
  /// Ranks that finish early leave their core free while they wait. `body` must make no collective
  /// call after an operation that can fail on one rank only.
  ///
  /// Collective: every rank, with the same `phase`, which `enter` compares.
  /// - Parameter phase: what `body` does, such as "loading data"; named in the message of an error
  ///   that is not a Failure.
  /// - Throws: Failure; MPIError if the ranks could not exchange their results.
  public func agree<T>(on phase: String, _ body: () throws -> T) throws -> T {
    let outcome = Result { try body() }.mapError { Failure($0, during: phase) }
    if FaultPoint.reach(phase, rank: rank, step: step) == .skip { return try outcome.get() }
    try enter(
      CollectiveHeader(.agreement, .none, count: nil, step: step, site: .text(phase), line: 0))
    // In the common case one word from each rank is enough: 0 means success.
    let words = try allgatherUnguarded(UInt64(outcome.failure?.status.rawValue ?? 0))
    if case .success(let value) = outcome, words.allSatisfy({ $0 == 0 }) { return value }
    throw try sharedFailure(Report(hostName: hostName, failure: outcome.failure))
  }

  /// Returns the Failure that all ranks throw, the same on every rank.
  private func sharedFailure(_ mine: Report) throws -> Failure {
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

  /// What ends a program after an error that `body` of `Distributed.run` threw on this rank: where every rank
  /// threw one, the same Failure on all ranks, as for `agree`; otherwise one that ends the job at once with
  /// this rank's own error.
  ///
  /// Collective: every rank whose program failed.
  func programFailure(_ error: any Error) -> any Error {
    if error is RankFailure || error is PeerFailure { return error }
    let mine = Failure(error, during: "the program")
    guard worldSize > 1 else { return mine }
    do {
      try enter(.failure, at: "an error of the program")
      return try sharedFailure(Report(hostName: hostName, failure: mine))
    } catch {
      return RankFailure(failure: mine)
    }
  }
}

extension Result where Failure == System.Failure {
  fileprivate var failure: Failure? {
    if case .failure(let failure) = self { return failure }
    return nil
  }
}
