import Foundation
import TestSupport
import Testing

import enum Training.Checkpoint

/// Saves that take long, as a delay in a system call makes them: training goes on meanwhile, and what is
/// written is what was when the save began.
@Suite(.waiting, .enabled(if: canInject, Comment(rawValue: cannotInject)))
struct AsynchronousSaveTests {
  let jobs = Jobs.saving()

  /// nndist, whose save of step 4 takes a second longer, with the weights written and the optimizer not.
  private func slow(_ more: [String] = [], step: Int = 4) -> [String] {
    strace(
      jobs.saving("run", more), paths: [jobs.temporary("run", step) + "/model.safetensors"],
      inject: "fsync:delay_enter=1000000")
  }

  /// The log's lines, such as "step 4" and "checkpoint 4".
  private func events() throws -> [String] {
    try jobs.metrics("run").compactMap { line in
      guard let event = line["event"] as? String, let step = line["step"] as? Int else {
        return nil
      }
      return "\(event) \(step)"
    }
  }

  /// What was saved of a step, as in another run.
  private func expectSame(_ name: String, _ step: Int) throws {
    for file in ["model", "optimizer"] {
      let bytes = contents(jobs.checkpoint("run", step) + "/\(file).safetensors")
      #expect(bytes == contents(jobs.checkpoint(name, step) + "/\(file).safetensors"), "\(file)")
    }
  }

  /// On two ranks also with the optimizer's state in two places.
  @Test(arguments: [(1, [String]()), (2, []), (2, ["--zero"])])
  func trainingGoesOnWhileACheckpointIsWritten(ranks: Int, more: [String]) throws {
    let eight = ["--max-steps", "8"]
    try jobs.saveWhole(eight)
    let outcome =
      ranks == 1
      ? try run(slow(eight))
      : try mpirun(
        ["-n", "1"] + slow(eight + more) + [":", "-n", "1"] + jobs.saving("run", eight + more))
    #expect(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    // The next save waits for it, and so one is under way at most.
    #expect(
      try events() == ["start 0"] + (1...8).map { "step \($0)" } + ["checkpoint 4", "checkpoint 8"])
    try expectSame("whole", 4)
    try expectSame("whole", 8)
  }

  @Test func stopWaitsForTheCheckpointThatIsWritten() throws {
    try jobs.saveWhole(["--max-steps", "6"])
    let outcome = try run(slow(["--max-steps", "6"]))
    #expect(outcome.status == 0 && outcome.stdout.contains("saved step 6"), "\(outcome)")
    #expect(try jobs.savedSteps("run") == [4, 6])
    try expectSame("whole", 4)
    try expectSame("whole", 6)
  }

  /// What all ranks fail by waits for it, too.
  @Test func failureWaitsForTheCheckpointThatIsWritten() throws {
    let outcome = try run(slow(["--lr", "1e30", "--checkpoint-every", "1"], step: 1))
    expectError(outcome, 70, "not finite")
    #expect(try events().contains("checkpoint 1") && jobs.state("run").step >= 1)
    #expect(try Checkpoint.load(jobs.checkpoint("run", 1)).state.step == 1)
  }
}
