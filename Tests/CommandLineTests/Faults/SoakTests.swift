import Foundation
import TestSupport
import Testing

private let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("launch/soak")
  .path

private let canSoak =
  (try? run(["python3", "--version"])) != nil && (try? run(["mpirun", "--version"])) != nil

/// Row 1 and 5, over and over: kills of any process at any moment, each followed by a resume on another
/// number of ranks, end in the bits of the uninterrupted run.
@Suite(.waiting) struct SoakTests {
  @Test(.enabled(if: canSoak, "needs python3 and mpirun"))
  func killsAnywhereChangeNoBitAndNoSample() throws {
    let kills = isLong ? 200 : 20
    let outcome = try oneSoak(kills, deadlineSeconds: isLong ? 3600 : 900)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.stdout.contains("\(kills) of \(kills) resumed"), "\(outcome)")
    #expect(
      outcome.stdout.contains("samples skipped or repeated; model and optimizer are bit for bit"))
  }

  private func oneSoak(_ kills: Int, deadlineSeconds: Int) throws -> TestSupport.Outcome {
    try run(
      [script, "--kills", "\(kills)", "--binary", builtProduct("nndist-faults")],
      deadlineSeconds: deadlineSeconds)
  }
}
