import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// Steps whose loss or gradient is not finite (../shared/faults.md, 16).
@Suite(.waiting) struct NonFiniteTests {
  let jobs = Jobs()

  private func run(_ fault: String, ranks: Int, _ more: [String] = [], name: String = "run") throws
    -> Outcome
  {
    let command = [faultyNNDist] + jobs.arguments(name, more)
    let environment = ["NNDIST_FAULT": fault]
    return ranks == 1
      ? try TestSupport.run(command, environment: environment)
      : try mpirun(ranks: ranks, command, environment: environment)
  }

  /// Step 7 is skipped: its samples are used up, and all else stays as it was.
  @Test(arguments: ["loss", "1.weight", "5.bias"])
  func oneBadStepIsSkippedByAllRanksAlike(tensor: String) throws {
    let what = tensor == "loss" ? "the loss" : "the gradient of \(tensor)"
    for (name, ranks, rank) in [("alone", 1, 0), ("run", 3, 2)] {
      let outcome = try run("nan:\(rank):7:\(tensor)", ranks: ranks, name: name)
      #expect(outcome.status == 0, "\(outcome)")
      let warned = warnings(outcome)
      #expect(warned.count == 1, "\(outcome)")
      #expect(warned.first?.hasPrefix("warning: \(what) is not finite at step 7") ?? false)
      #expect(warned.first?.hasSuffix("; the step is skipped (1 in a row)") ?? false)
      #expect(try jobs.steps(name).map(\.step) == Array(1...6) + Array(8...15))
      let line = try #require(try jobs.metrics(name, "skipped").first)
      #expect(line["step"] as? Int == 7 && line["epoch"] as? Int == 2)
      #expect(line["tensor"] as? String == tensor && line["in_a_row"] as? Int == 1)
      #expect(try jobs.state(name).skippedInARow == nil && jobs.state(name).step == 15)
    }
    #expect(try jobs.bits("alone") == jobs.bits("run"))
    #expect(try jobs.steps("alone") == jobs.steps("run"))
  }

  /// Neither weights nor the optimizer's state nor batch normalization's buffers change.
  @Test func skippedStepChangesNothing() throws {
    let jobs = Jobs(train: 200)
    jobs.folder.write("augmented.yaml", Jobs.augmentedRecipe)
    for (name, last) in [("before", "6"), ("after", "7")] {
      let outcome = try mpirun(
        ["-wdir", jobs.folder.path, "-n", "2", faultyNNDist, "augmented.yaml", "--run", name]
          + ["--shards", "4", "--eval-every", "0", "--max-steps", last],
        environment: ["NNDIST_FAULT": "nan:1:7:1.weight"])
      #expect(outcome.status == 0, "\(outcome)")
    }
    #expect(try jobs.bits("before") == jobs.bits("after"))
    #expect(try jobs.state("after").step == 7 && jobs.state("after").skippedInARow == 1)
  }

  @Test(arguments: [("loss", 1), ("3.weight", 1), ("loss", 3), ("3.weight", 3)])
  func threeInARowEndTheRun(tensor: String, ranks: Int) throws {
    let outcome = try run(
      "nan:\(ranks - 1):7+:\(tensor)", ranks: ranks, ["--checkpoint-every", "2", "--quiet"])
    expectError(
      outcome, 70,
      "\(tensor == "loss" ? "the loss" : "the gradient of \(tensor)") is not finite at step 9, on "
        + "rank \(ranks - 1) (shards \(ranks == 1 ? "0, 1, 2, 3" : "2, 3")); 3 steps in a row were "
        + "skipped | lower the learning rate (--lr); step 6 is saved, from before it")
    #expect(try jobs.steps("run").map(\.step) == Array(1...6))
    #expect(jobs.checkpoints("run").last == "step-00000008")
    #expect(try jobs.state("run").skippedInARow == 2)
    try expectSameEnd(ranks: ranks, tensor: tensor)
  }

  /// Expects that the run goes on from step 8 as one does where steps 7 and 8 alone are bad, and from
  /// step 6 as one that nothing happens to.
  private func expectSameEnd(ranks: Int, tensor: String) throws {
    let others = 4 - ranks
    try jobs.copy("run", to: "earlier")
    try jobs.train("run", ranks: others, ["--resume"])
    let outcome = try run("nan:0:7-8:\(tensor)", ranks: 1, name: "skipping")
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try jobs.metrics("skipping", "skipped").count == 2)
    #expect(try jobs.bits("run") == jobs.bits("skipping"))

    let newest = jobs.path("earlier/checkpoints/step-00000008")
    try FileManager.default.removeItem(atPath: newest)
    let resumed = try jobs.train("earlier", ranks: others, ["--resume"])
    #expect(resumed.stdout.contains("resumed at step 6 of 15"), "\(resumed)")
    try jobs.train("whole")
    #expect(try jobs.bits("earlier") == jobs.bits("whole"))
  }

  /// A run that is stopped among them comes to the same end.
  @Test func stoppedRunComesToTheSameEnd() throws {
    for (steps, count) in [("7", 1), ("8", 2)] {
      let outcome = try run("nan:0:7+:loss", ranks: 2, ["--resume", "--max-steps", steps])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try jobs.state("run").skippedInARow == count)
    }
    expectError(
      try run("nan:0:7+:loss", ranks: 1, ["--resume", "--quiet"]), 70,
      "the loss is not finite at step 9",
      "3 steps in a row were skipped")
    #expect(jobs.checkpoints("run").last == "step-00000008")
  }
}
