import Foundation
import TestSupport
import Testing

/// What a step costs beside its kernels shows in a small network. Counts, as times are the machine's.
struct InstructionCountTests {
  private static let hasValgrind = (try? run(["valgrind", "--version"]).status) == 0

  /// Instructions of a step of fashion-linear: 784 inputs, 10 classes, batch 10, one rank and thread.
  /// valgrind has no AVX-512, so these are the kernels' AVX2 versions.
  ///
  /// Depends on compiler, kernels and libraries. Where a change is meant to change it, pin what the
  /// failing test prints.
  private static let pinned = 163_500.0

  @Test(.enabled(if: hasValgrind, "needs valgrind"))
  func stepOfASmallNetworkTakesAsManyInstructionsAsPinned() throws {
    let jobs = Jobs(train: 1000, test: 10)
    // valgrind 3.19 gives up on the debug information that Swift 6 writes.
    let program = jobs.path("nndist")
    try #require(try run(["strip", "-g", "-o", program, nndist]).status == 0)

    func instructions(steps: Int) throws -> Double {
      let outcome = try run(
        [
          "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
          program, "fashion-linear", "--data", jobs.data, "--run", jobs.path("\(steps)"),
          "--epochs", "100", "--max-steps", "\(steps)", "--threads", "1", "--eval-every", "0",
          "--checkpoint-every", "0", "--log-every", "0", "--quiet",
        ])
      let count = try #require(
        try /I +refs: +([0-9,]+)/.firstMatch(in: outcome.stderr), "\(outcome)"
      ).1
      return try #require(Double(count.replacing(",", with: "")))
    }
    // What the difference leaves out is the start.
    let (few, many) = (20, 220)
    let step = try (instructions(steps: many) - instructions(steps: few)) / Double(many - few)
    #expect(abs(step / Self.pinned - 1) < 0.05, "\(step) instructions a step")
  }
}
