import Foundation
import TestSupport
import Testing

import struct TestSupport.Outcome
import enum Training.Checkpoint

/// Short runs that save often: 21 steps of a network of some hundred numbers, a save every 4 steps and
/// at the end.
extension Jobs {
  /// With the pets there.
  static func saving() -> Jobs {
    let jobs = Jobs(train: 0, test: 0)
    jobs.writePets()
    return jobs
  }

  func saving(_ name: String, _ more: [String] = []) -> [String] {
    [
      nndist, path("pets.yaml"), "--data", path("pets.csv"), "--run", path(name), "--log-every",
      "1", "--eval-every", "0", "--checkpoint-every", "4", "--threads", "1", "--shards", "2",
    ] + more
  }

  /// The run that nothing happens to.
  func saveWhole(_ more: [String] = []) throws {
    let outcome = try run(saving("whole", more))
    try #require(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
  }

  func checkpoint(_ name: String, _ step: Int) -> String {
    path(name) + "/checkpoints/" + Checkpoint.name(step: step)
  }

  /// Where a checkpoint is written before it has its name.
  func temporary(_ name: String, _ step: Int) -> String {
    path(name) + "/checkpoints/.tmp-" + Checkpoint.name(step: step)
  }

  /// Everything in the run's folder of checkpoints.
  func entries(_ name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(name) + "/checkpoints").sorted()
  }

  /// The steps whose checkpoints the log says are there.
  func savedSteps(_ name: String) throws -> [Int] {
    try metrics(name, "checkpoint").map { $0["step"] as? Int ?? -1 }
  }

  /// The step of the newest checkpoint that verifies; nil without any.
  func newestStep(_ name: String) throws -> Int? {
    try Checkpoint.newest(in: path(name) + "/checkpoints") { _, _ in }?.state.step
  }

  /// Goes on to the end, and expects the bits of the run that nothing happened to.
  func expectToGoOn(
    _ name: String, _ more: [String] = [], at location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try run(saving(name, ["--resume"] + more))
    #expect(outcome.status == 0, "\(outcome)", sourceLocation: location)
    #expect(
      try !entries(name).contains { $0.hasPrefix(".tmp-") }, sourceLocation: location)
    #expect(try bits(name) == bits("whole"), sourceLocation: location)
  }
}

/// The warnings of a run.
func warnings(_ outcome: Outcome) -> [Substring] {
  outcome.stderr.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
}

/// Expects exactly one warning that holds all `parts`, and nothing else on standard error.
func expectWarning(
  _ outcome: Outcome, _ parts: String..., at location: SourceLocation = #_sourceLocation
) {
  let lines = outcome.stderr.split(separator: "\n")
  #expect(
    lines.count == 1 && warnings(outcome).count == 1, "\(outcome)", sourceLocation: location)
  for part in parts {
    #expect(lines.first?.contains(part) ?? false, "\(part): \(outcome)", sourceLocation: location)
  }
}
