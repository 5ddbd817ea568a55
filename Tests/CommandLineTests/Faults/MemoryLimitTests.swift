import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// A rank that is out of memory (../shared/faults.md, 17).
@Suite(.waiting) struct MemoryLimitTests {
  let row = FaultRow()
  private let host = ProcessInfo.processInfo.hostName

  /// Rank 0 with all the memory there is, rank 1 with so many KiB.
  private func limited(
    _ kilobytes: Int, _ more: [String], environment: [String: String] = [:]
  ) throws -> Outcome {
    let arguments = row.jobs.arguments("run", FaultRow.steady + ["--stall-timeout", "5"] + more)
    let limit = ["bash", "-c", "ulimit -v \(kilobytes); exec \"$@\"", "bash", nndist]
    return try mpirun(
      ["-n", "1", nndist] + arguments + [":", "-n", "1"] + limit + arguments,
      environment: ["SWIFT_BACKTRACE": "enable=no"].merging(environment) { $1 })
  }

  /// What a rank of this job has mapped at most, in KiB.
  private func peak() throws -> Int {
    let program = try row.start(ranks: 2)
    let process = try #require(row.processes[1])
    let status = String(decoding: contents("/proc/\(process)/status"), as: UTF8.self)
    program.send(SIGKILL)
    _ = try program.outcome()
    row.expectNobodyLeft()
    try FileManager.default.removeItem(atPath: row.jobs.path("run"))
    return try #require(status.firstMatch(of: #/VmPeak:\s+(\d+) kB/#).flatMap { Int($0.1) })
  }

  /// The first layer's 384 MB are too many, and all before is not.
  @Test func rankWithoutMemorySaysSo() throws {
    let outcome = try limited(
      peak() + 150_000,
      ["--set", "model.layers.1.out_features=128000", "--set", "model.layers.3.in_features=128000"])
    expectError(
      outcome, 70, "rank 1 (pid ", ", host \(host)) is out of memory before step 1: ",
      " bytes were refused | use fewer ranks")
    row.expectNobodyLeft()
  }

  /// From too little for the program's libraries to enough: the job ends well, or at once with a status
  /// and at most one line of ours; and it goes on to the same bits from whatever it had saved. The limits
  /// close in on what is just too little: there it is an allocation of ours that is refused. (Long: more.)
  @Test func rankUnderAnyLimitEndsInTimeAndLosesNothing() throws {
    try row.jobs.train("run", FaultRow.steady + ["--max-steps", "3"])
    try row.jobs.train("whole", FaultRow.steady)
    var said = 0
    func endsWell(_ kilobytes: Int) throws -> Bool {
      try row.jobs.copy("run", to: "begun")
      // Else the C library reserves 64 MB for a thread's heap, or does not, as addresses fall.
      let outcome = try limited(kilobytes, ["--resume"], environment: ["MALLOC_ARENA_MAX": "1"])
      row.expectNobodyLeft()
      let lines = outcome.stderr.split(separator: "\n").filter { $0.contains("nndist: error: ") }
      if outcome.status == 0 {
        #expect(lines.isEmpty, "\(kilobytes): \(outcome)")
      } else {
        #expect(lines.count <= 1, "\(kilobytes): \(outcome)")
        // Before main begins, and within MPI_Init, others say it in their words.
        let line = lines.first ?? ""
        if line.contains("rank 1 ") && line.contains("out of memory") { said += 1 }
        #expect(
          line.isEmpty || line.contains("out of memory") || line.contains("at its start"),
          "\(kilobytes): \(outcome)")
        #expect(outcome.status != 132 && outcome.status != 134, "\(kilobytes): \(outcome)")
        let resumed = try row.jobs.train("run", ranks: 2, FaultRow.steady + ["--resume"])
        #expect(resumed.stdout.contains("resumed at step "), "\(resumed)")
      }
      #expect(try row.jobs.bits("run") == row.jobs.bits("whole"), "\(kilobytes)")
      try FileManager.default.removeItem(atPath: row.jobs.path("run"))
      try FileManager.default.moveItem(atPath: row.jobs.path("begun"), toPath: row.jobs.path("run"))
      return outcome.status == 0
    }
    var (tooLittle, enough) = (60_000, 700_000)
    try #require(try !endsWell(tooLittle) && endsWell(enough))
    while enough - tooLittle > 1000 {
      let between = (tooLittle + enough) / 2
      if try endsWell(between) { enough = between } else { tooLittle = between }
    }
    for limit in stride(from: 60_000, through: isLong ? 700_000 : 0, by: 10_000) {
      _ = try endsWell(limit)
    }
    #expect(said > 0, "\(tooLittle) KiB were too little, \(enough) enough, and nobody said so")
  }
}
