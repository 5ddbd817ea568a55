import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// Ranks that hold up the others: named, and the job ended with 75 (../shared/faults.md, 10 to 12).
@Suite(.waiting) struct StallTests {
  let row = FaultRow()
  private let host = ProcessInfo.processInfo.hostName
  private let soon = ["--stall-timeout", "3"]

  /// Row 10, in each place where a rank may be, also where the others wait inside MPI.
  @Test(arguments: [
    ("1:7:forward", "1", "at step 7, in forward"), ("0:7:sum", "0", "at step 7, in sum"),
    ("0:5:evaluate", "0", "at step 5, in evaluation"),
    ("2:0:load", "2", "before step 1, in loading"),
    ("1:10:saving a checkpoint", "1", "at step 10, in saving"),
  ])
  func stoppedRankIsNamed(fault: String, rank: String, place: String) throws {
    // At their start ranks wait for each other, which may take seconds on a machine that is busy.
    let seconds = place.hasPrefix("before") ? 20 : 3
    let outcome = try row.run("stop:\(fault)", ranks: 3, ["--stall-timeout", "\(seconds)"])
    try row.expectOnlyStopped(
      outcome, status: 75,
      [
        "nndist: error: rank \(rank) (pid ", ", host \(host)) is stopped \(place) ",
        "no rank has gone on for \(seconds) s (--stall-timeout)",
      ])
  }

  /// Row 10, from outside.
  @Test func rankStoppedFromOutsideIsNamed() throws {
    let program = try row.start(ranks: 2, soon + ["--checkpoint-every", "5"])
    let process = try #require(row.processes[1])
    kill(process, SIGSTOP)
    try row.expectOnlyStopped(
      program.outcome(), status: 75,
      ["rank 1 (pid \(process), host \(host)) is stopped at step "], more: ["--eval-every", "0"])
  }

  /// Row 11.
  @Test(arguments: [
    ("1:7:forward", 3, "1", "at step 7, in forward"),
    ("0:7:backward", 3, "0", "at step 7, in backward"),
    ("1:10:evaluate", 2, "1", "at step 10, in evaluation"),
    ("0:7:forward", 1, "0", "at step 7, in forward"),
  ])
  func stuckRankIsNamed(fault: String, ranks: Int, rank: String, place: String) throws {
    let outcome = try row.run("spin:\(fault)", ranks: ranks, soon)
    try row.expectOnlyStopped(
      outcome, status: 75,
      ["nndist: error: rank \(rank) (pid ", ", host \(host)) is alive but stuck \(place)"])
  }

  /// What takes long, but goes on, is no stall: ten steps that are longer than the timeout together. Nor is
  /// what --stall-timeout 0 asks to be borne.
  @Test func slowPartsAreNoStall() throws {
    let slow = try row.run("sleep=400:1:1-10:forward", ranks: 2, soon)
    #expect(slow.status == 0, "\(slow)")
    let outcome = try row.run(
      "sleep=1500:1:17:update", ranks: 2, ["--resume", "--epochs", "4", "--stall-timeout", "0"])
    #expect(outcome.status == 0, "\(outcome)")
  }

  /// Row 12: it goes on to the end it would have had, and is told of once.
  @Test func slowRankIsNamedOnce() throws {
    let unevaluated = ["--eval-every", "0"]
    // So long that the others are not as slow by chance, on a busy machine.
    let outcome = try row.run("sleep=15:1:1+:forward", ranks: 3, ["--epochs", "50"] + unevaluated)
    let warned = warnings(outcome)
    #expect(warned.count == 1, "\(outcome)")
    #expect(
      warned.first?.hasPrefix("warning: rank 1 (host \(host)) is slow in forward: ") ?? false,
      "\(outcome)")
    let score = outcome.stderr.firstMatch(of: #/score (0\.\d\d);/#).flatMap { Double($0.1) }
    #expect(try #require(score) < 0.5)
    try row.jobs.train("undisturbed", FaultRow.steady + ["--epochs", "50"] + unevaluated)
    #expect(try row.jobs.bits("run") == row.jobs.bits("undisturbed"))
    try row.expectOnlyStopped(outcome, status: 0, [], more: unevaluated)
  }

  /// The right rank, whoever it is and whatever it does then. (Long: 100 faults.)
  @Test func randomFaultsNameTheRightRank() throws {
    for number in 0..<(isLong ? 100 : 20) {
      let row = FaultRow()
      let (ranks, rank) = (Int.random(in: 2...4), Int.random(in: 0...3))
      // Not the last of an epoch, whose 3 samples leave a shard empty.
      let (victim, step) = (rank % ranks, 5 * Int.random(in: 0...2) + Int.random(in: 1...4))
      let kind = ["kill", "error", "stop"][number % 3]
      let site =
        kind == "error" ? "update" : ["forward", "backward", "sum", "update"].randomElement()!
      let fault = "\(kind):\(victim):\(step):\(site)"
      let timeout = kind == "stop" ? ["--stall-timeout", "3"] : []
      let outcome = try row.run(fault, ranks: ranks, timeout + ["--eval-every", "0"])
      let (status, words) =
        switch kind {
        case "kill": (Int32(137), "rank \(victim) (pid ")
        case "error": (74, "(rank \(victim) of \(ranks), host \(host), step \(step))")
        default: (75, "rank \(victim) (pid ")
        }
      let errors = outcome.stderr.split(separator: "\n").filter { $0.contains("nndist: error: ") }
      #expect(outcome.status == status, "\(fault) on \(ranks): \(outcome)")
      #expect(errors.count == 1, "\(fault) on \(ranks): \(outcome)")
      let line = errors.first ?? ""
      #expect(line.contains(words), "\(fault) on \(ranks): \(outcome)")
      #expect(
        kind == "error" || line.contains(" at step \(step), in "), "\(fault): \(outcome)")
      row.expectNobodyLeft()
    }
  }
}
