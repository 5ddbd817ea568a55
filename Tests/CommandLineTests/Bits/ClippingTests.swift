import TestSupport
import Testing

/// The recipe's `clip_norm`.
@Suite struct ClippingTests {
  let jobs = Jobs()

  /// Some of its steps are clipped and some are not; the norm in the log is that before.
  @Test(arguments: [1, 4])
  func stepsArePyTorchs(shards: Int) throws {
    let golden = try GoldenRegression.read()
    let known = golden.clipped
    #expect(known.norms.contains { $0 > 10 } && known.norms.contains { $0 < 10 })
    golden.write(known, in: jobs, rate: 0.005, ["clip_norm: 10"])
    let shards = ["--shards", "\(shards)"]
    try golden.train("run", in: jobs, shards)
    try golden.expect("run", in: jobs, follows: known)
    // Not so without.
    try golden.train("free", in: jobs, shards + ["--set", "clip_norm=null"])
    #expect(try jobs.steps("free").last?.loss != jobs.steps("run").last?.loss)
  }

  @Test func ranksAndThreadsChangeNoBit() throws {
    // Some 1 to 3 before.
    let clipped = ["--set", "clip_norm=0.9"]
    try jobs.train("one", clipped + ["--threads", "1"])
    #expect(try jobs.steps("one").contains { $0.gradNorm > 0.9 })
    for (ranks, threads) in [(1, 2), (2, 1), (4, 1)] {
      let name = "\(ranks)x\(threads)"
      try jobs.train(name, ranks: ranks, clipped + ["--threads", "\(threads)"])
      #expect(try jobs.bits(name) == jobs.bits("one"), "\(name)")
      #expect(try jobs.steps(name) == jobs.steps("one"), "\(name)")
    }
    try jobs.train("free")
    #expect(try jobs.bits("free") != jobs.bits("one"))
  }

  @Test func aNormThatIsNeverReachedChangesNoBit() throws {
    try jobs.train("free")
    let largest = try #require(try jobs.steps("free").map(\.gradNorm).max())
    try jobs.train("clipped", ["--set", "clip_norm=\(largest + 1)"])
    #expect(try jobs.bits("clipped") == jobs.bits("free"))
    #expect(try jobs.steps("clipped") == jobs.steps("free"))
  }

  /// As the learning rate: a new recipe from there on, the same on any ranks.
  @Test func normMayChangeOnTheWay() throws {
    try jobs.train("run", ["--max-steps", "7"])
    try jobs.copy("run", to: "two")
    let resumed = ["--resume", "--set", "clip_norm=0.5"]
    let outcome = try jobs.train("run", resumed)
    #expect(outcome.stdout.contains("the recipe changed since step 7"), "\(outcome)")
    try jobs.train("two", ranks: 2, resumed)
    #expect(try jobs.bits("run") == jobs.bits("two"))
  }

  @Test(arguments: ["0", "-1", ".nan", ".inf"])
  func normThatIsNoneIsRefused(norm: String) throws {
    let outcome = try run(
      [nndist] + jobs.arguments("run", ["--set", "clip_norm=\(norm)"]))
    expectError(outcome, 64, "clip_norm", "above 0")
  }
}
