import Foundation
import System
import TestSupport
import Testing

import enum Training.Safetensors

/// Runs that go wrong on their way, and checkpoints that did.
@Suite struct FailureWhileTrainingTests {
  let jobs = Jobs()

  @Test(arguments: Launch.allCases)
  func lossThatIsNotFiniteNamesItsStepAndIsNotSaved(launch: Launch) throws {
    let outcome = try launch.nndist(
      jobs.arguments("run", ["--lr", "1e30", "--checkpoint-every", "1"]))
    expectError(
      outcome, 70, "the loss is not finite at step 4, on rank 0 (shard",
      "3 steps in a row were skipped | lower the learning rate (--lr); step 1 is saved")
    #expect(try jobs.metrics("run", "step").count == 1)
    for checkpoint in jobs.checkpoints("run") {
      for file in ["model", "optimizer"] {
        let path = jobs.path("run") + "/checkpoints/\(checkpoint)/\(file).safetensors"
        for (_, tensor) in try Safetensors.read(path) {
          let values = tensor.values(Float.self)
          #expect(!values.contains { !$0.isFinite }, "\(path)")
        }
      }
    }
  }

  /// The last step's loss is finite, its weights are not.
  @Test func weightsThatAreNotFiniteAreNotSaved() throws {
    let outcome = try run([nndist] + jobs.arguments("run", ["--lr", "1e300", "--max-steps", "1"]))
    expectError(outcome, 70, "is not finite at step 1; no checkpoint was written")
    #expect(jobs.checkpoints("run").isEmpty)
  }

  /// Damages files of the run's newest checkpoints.
  private func damage(_ checkpoints: some Sequence<String>, of name: String) {
    for checkpoint in checkpoints {
      let path = name + "/checkpoints/\(checkpoint)/model.safetensors"
      var bytes = contents(jobs.folder.path + "/" + path)
      bytes[bytes.count / 2] ^= 1
      jobs.folder.write(path, bytes)
    }
  }

  @Test(arguments: [1, 2])
  func damagedNewestCheckpointIsPassedOverWithAWarning(ranks: Int) throws {
    try jobs.train("whole")
    try jobs.train("run", ["--max-steps", "10"])
    #expect(jobs.checkpoints("run") == ["step-00000005", "step-00000010"])
    damage(["step-00000010"], of: "run")
    let outcome = try jobs.train("run", ranks: ranks, ["--resume"])
    #expect(outcome.stderr.contains("warning: passed over step-00000010: "), "\(outcome)")
    #expect(outcome.stderr.contains("model.safetensors is damaged"))
    #expect(outcome.stdout.contains("resumed at step 5 of 15"))
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }

  /// As many damaged checkpoints as are kept, and an older good one: what is saved next must stay.
  @Test func runThatWentFarBackKeepsWhatItSaves() throws {
    let often = ["--checkpoint-every", "2", "--eval-every", "0"]
    try jobs.train("whole", often)
    try jobs.train("run", often + ["--max-steps", "4"])
    try jobs.copy("run/checkpoints/step-00000004", to: "good")
    try jobs.train("run", often + ["--resume"])
    damage(jobs.checkpoints("run"), of: "run")
    try jobs.copy("good", to: "run/checkpoints/step-00000004")
    #expect(jobs.checkpoints("run").count == 4)
    try jobs.train("run", often + ["--resume", "--max-steps", "5"])
    #expect(try jobs.state("run").step == 5)
    try jobs.train("run", often + ["--resume"])
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }

  @Test(arguments: Launch.allCases)
  func runWithoutAGoodCheckpointIsRefused(launch: Launch) throws {
    try jobs.train("run")
    damage(jobs.checkpoints("run"), of: "run")
    let lines = try jobs.metrics("run").count
    expectError(
      try launch.nndist(jobs.arguments("run", ["--resume"])), 65,
      "step-00000015/model.safetensors is damaged")
    for checkpoint in jobs.checkpoints("run") {
      unlink(jobs.path("run") + "/checkpoints/\(checkpoint)/state.json")
    }
    expectError(
      try launch.nndist(jobs.arguments("run", ["--resume"])), 65, "state.json")
    #expect(try jobs.metrics("run").count == lines)
  }
}
