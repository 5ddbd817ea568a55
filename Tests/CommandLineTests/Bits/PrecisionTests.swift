import TestSupport
import Testing

/// `--precision bf16`: part of the recipe, as good as float32. (That it gives the same bits on all
/// machines is among MachineShapesTests.)
struct PrecisionTests {
  /// The default recipe on a small set: within 0.3 points of float32's accuracy.
  @Test func accuracyIsThatOfFloat32() throws {
    let jobs = Jobs(train: 1200, test: 400)
    let accuracies = try ["float32", "bf16"].map { precision -> Double in
      let outcome = try run([
        nndist, "fashion-mnist", "--data", jobs.data, "--run", jobs.path(precision), "--epochs",
        "4", "--precision", precision,
      ])
      try #require(outcome.status == 0, "\(outcome)")
      let last = try #require(try jobs.metrics(precision, "eval").last)
      return try #require(last["accuracy"] as? Double)
    }
    #expect(accuracies[0] > 0.95 && abs(accuracies[0] - accuracies[1]) <= 0.003, "\(accuracies)")
  }

  @Test(arguments: Launch.allCases) func unknownPrecisionIsRefused(launch: Launch) throws {
    expectError(
      try launch.nndist(["fashion-mnist", "--precision", "half"]), 64,
      "precision: half is not one of float32, bf16")
  }

  @Test func runKeepsItsPrecision() throws {
    let jobs = Jobs()
    try jobs.train("run", ["--precision", "bf16", "--max-steps", "3"])
    #expect(
      String(decoding: contents(jobs.path("run/recipe.yaml")), as: UTF8.self)
        .contains("precision: bf16"))
    expectError(
      try run([nndist] + jobs.arguments("run", ["--resume", "--precision", "float32"])), 64,
      "the run in \(jobs.path("run")) was made with another precision (bf16, not float32)")
    // By the run's own recipe it goes on.
    let outcome = try run([nndist, "--resume", "--run", jobs.path("run")])
    #expect(outcome.status == 0, "\(outcome)")
    try jobs.train("whole", ["--precision", "bf16"])
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }
}
