import System
import TestSupport
import Testing

import func System.fixed

/// `nndist eval`.
@Suite struct EvalTests {
  let jobs = Jobs()

  @Test func runAndCheckpointGiveTheLoggedFigures() throws {
    try jobs.train("run", ["--checkpoint-every", "5"])
    for (path, step) in [
      ("run", 15), ("run/checkpoints/latest", 15), ("run/checkpoints/step-00000010", 10),
    ] {
      for threads in [[], ["--threads", "1"]] {
        let outcome = try run([nndist, "eval", jobs.path(path)] + threads)
        #expect(outcome.status == 0, "\(outcome)")
        let logged = try #require(
          try jobs.metrics("run", "eval").first { $0["step"] as? Int == step })
        #expect(outcome.stdout.contains("fashion-mnist after \(step) steps\n"), "\(outcome)")
        #expect(outcome.stdout.contains("(\(logged["correct"]!) of 57)"), "\(outcome)")
        for key in ["loss", "loss_batch_mean"] {
          let rounded = fixed(try #require(logged[key] as? Double), 6)
          #expect(outcome.stdout.contains(" \(rounded) "), "\(outcome)")
        }
      }
    }
  }

  @Test func manyRanksPrintOnce() throws {
    try jobs.train("run")
    let alone = try run([nndist, "eval", jobs.path("run")])
    let four = try mpirun(ranks: 4, [nndist, "eval", jobs.path("run")])
    #expect(four.status == 0 && four.stdout == alone.stdout && four.stderr.isEmpty, "\(four)")
  }

  @Test(arguments: Launch.allCases)
  func whatCannotBeEvaluatedIsNamed(launch: Launch) throws {
    expectError(
      try launch.nndist(["eval", "/nonexistent"]), 66,
      "/nonexistent is neither a run directory nor a checkpoint")
    try jobs.train("run", ["--max-steps", "1"])
    expectError(
      try launch.nndist(["eval", jobs.path("run"), "--data", "/nonexistent"]),
      66,
      "apt-get install dataset-fashion-mnist")
    var bytes = contents(jobs.path("run") + "/checkpoints/latest/model.safetensors")
    bytes[bytes.count / 2] ^= 1
    jobs.folder.write("run/checkpoints/step-00000001/model.safetensors", bytes)
    expectError(
      try launch.nndist(["eval", jobs.path("run")]), 65,
      "model.safetensors is damaged")
  }

  @Test func runWithoutACheckpointIsNamed() throws {
    try jobs.train("run", ["--checkpoint-every", "0", "--max-steps", "1"])
    expectError(try run([nndist, "eval", jobs.path("run")]), 66, "has no checkpoint yet")
  }
}
