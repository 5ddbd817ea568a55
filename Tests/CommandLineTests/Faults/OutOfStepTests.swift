import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// nndist, but for the fault that NNDIST_FAULT names (Tests/Faults/main.swift).
let faultyNNDist = builtProduct("nndist-faults")

extension Jobs {
  /// Runs a job of `arguments` with a fault on some rank.
  func failing(
    _ fault: String, ranks: Int, _ more: [String] = [], program: String = faultyNNDist
  ) throws -> Outcome {
    try mpirun(
      ranks: ranks, [program] + arguments("run", more), environment: ["NNDIST_FAULT": fault])
  }
}

/// Ranks that leave a collective out, or enter another than the others: an error that names both
/// sides, never a wrong sum and never a hang (../shared/faults.md, 13 and 14).
@Suite(.waiting) struct OutOfStepTests {
  let jobs = Jobs()

  /// All ranks but rank 1, as messages name them.
  private func others(_ ranks: Int) -> String {
    ["rank 0", "ranks 0, 2", "ranks 0, 2, 3"][ranks - 2]
  }

  /// Expects the run to have ended before step `step` was made, with both sides named.
  private func expectOutOfStep(
    _ outcome: Outcome, ranks: Int, _ right: String, _ wrong: String, before step: Int,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let host = ProcessInfo.processInfo.hostName
    expectError(
      outcome, 70, "the ranks are out of step at collective ",
      "\(others(ranks)) (host \(host)) in \(right)", "rank 1 (host \(host)) in \(wrong)",
      at: location)
    #expect(try jobs.steps("run").map(\.step) == Array(1..<step), sourceLocation: location)
    #expect(jobs.checkpoints("run").isEmpty, sourceLocation: location)
  }

  /// What all ranks sum: weights and biases of 784, 16, 16 and 10 units, and the floats behind them,
  /// each to a multiple of 16.
  private static let count = (784 * 16 + 16) + (16 * 16 + 16) + (16 * 10 + 16) + 16
  private let sum = "sum of \(count) float32 (gradients, "

  @Test(arguments: [2, 3, 4])
  func sumLeftOutByARankIsNamed(ranks: Int) throws {
    try expectOutOfStep(
      jobs.failing("skip:1:3:sum", ranks: ranks), ranks: ranks, sum + "step 3)", sum + "step 4)",
      before: 3)
  }

  /// The last sum before an evaluation.
  @Test(arguments: [2, 4])
  func rankInAnAgreementWhileOthersSumIsNamed(ranks: Int) throws {
    try expectOutOfStep(
      jobs.failing("skip:1:5:sum", ranks: ranks), ranks: ranks, sum + "step 5)",
      "agreement (evaluating, step 5)", before: 5)
  }

  @Test(arguments: [2, 3])
  func agreementLeftOutByARankIsNamed(ranks: Int) throws {
    try expectOutOfStep(
      jobs.failing("skip:1:5:evaluating", ranks: ranks, ["--quiet"]), ranks: ranks,
      "agreement (evaluating, step 5)",
      "allreduce of the maximum of 1 int64 (Training/Trainer+Evaluation.swift:", before: 6)
  }

  @Test(arguments: [
    ("count", "sum of \(count + 1) float32 (gradients, step 3)"),
    ("type", "sum of \(count) int64 (gradients, step 3)"),
    ("operation", "barrier of \(count) float32 (gradients, step 3)"),
  ])
  func anotherCountTypeOrOperationIsNamed(kind: String, wrong: String) throws {
    for ranks in [2, 4] {
      let jobs = OutOfStepTests()
      try jobs.expectOutOfStep(
        jobs.jobs.failing("\(kind):1:3:sum", ranks: ranks), ranks: ranks, sum + "step 3)", wrong,
        before: 3)
    }
  }

  /// Before the first step, where ranks still tell each other what to do.
  @Test func anotherTypeOfABroadcastIsNamed() throws {
    let outcome = try jobs.failing("type:1:0:broadcast", ranks: 3)
    expectError(
      outcome, 70, "ranks 0, 2 (host ", "in broadcast of bytes (Commands/TrainCommand.swift:",
      "rank 1 (host ", "in broadcast of int64s (Commands/TrainCommand.swift:")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }

  /// The product has no faults to offer.
  @Test func productKnowsNoFaults() throws {
    let outcome = try jobs.failing("skip:1:3:sum", ranks: 2, program: nndist)
    #expect(outcome.status == 0, "\(outcome)")
    try jobs.train("alone")
    #expect(try jobs.bits("run") == jobs.bits("alone"))
  }
}
