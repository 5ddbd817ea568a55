import Foundation
import TestSupport
import Testing

/// A program whose clock is as far off as a file says, such as "+9y".
private func setClock(by file: String) -> [String] {
  // Swift loses its arguments where a preloaded library changes the environment, which faketime's does
  // not where faketime itself has started the program.
  [
    "env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_FORCE_MONOTONIC_FIX=0",
    "FAKETIME_NO_CACHE=1", "FAKETIME_TIMESTAMP_FILE=\(file)", "faketime", "-f", "+0", "env", "-u",
    "FAKETIME",
  ]
}

private let canSetClock: Bool = {
  let folder = TemporaryFolder()
  let file = folder.write("offset", "+20y\n")
  let outcome = try? run(setClock(by: file) + ["date", "+%Y"])
  let year = outcome.flatMap { Int($0.stdout.split(separator: "\n").first ?? "") }
  let now = Calendar(identifier: .gregorian).component(.year, from: Date())
  return year.map { (now + 19...now + 21).contains($0) } ?? false
}()

/// Clocks that are wrong, or are set while a run goes on (../shared/faults.md, 39). Nobody sets the
/// monotonic clock, so neither do these.
@Suite(.waiting, .enabled(if: canSetClock, "faketime is missing, or does not work here"))
struct ClockTests {
  let row = FaultRow()

  /// Neither the time limit nor the watchdog takes a jump for time that has passed.
  @Test(arguments: [1, 2])
  func clockThatJumpsChangesNothing(ranks: Int) throws {
    try expectSameRun(ranks: ranks, offsets: ["+0", "+1h", "-1d", "+9y", "-5y", "+0"])
  }

  /// A run that begins in another time than the one in which it goes on.
  @Test(arguments: ["+11y", "-20y"])
  func clockThatIsWrongChangesNothing(offset: String) throws {
    try expectSameRun(ranks: 2, offsets: [offset])
  }

  private func expectSameRun(ranks: Int, offsets: [String]) throws {
    let file = row.jobs.folder.write("offset", offsets[0] + "\n")
    let options = [
      "--stall-timeout", "20", "--time-limit", "600", "--checkpoint-every", "50",
    ]
    let program = try row.start(
      ranks: ranks, options, launcher: setClock(by: file))
    for offset in offsets {
      // In one step: it is read at any time.
      row.jobs.folder.write("next", offset + "\n")
      rename(row.jobs.path("next"), file)
      // Long enough for the watchdog to look.
      usleep(300_000)
      try row.jobs.waitForSteps("run", row.jobs.steps("run").count + 5, of: program)
    }
    try #require(row.processes.count == ranks)
    for process in row.processes.values { kill(process, SIGUSR1) }
    let outcome = try program.outcome()
    #expect(!outcome.stderr.contains("warning: "), "\(outcome)")
    #expect(outcome.stderr.contains("nndist: stopped by SIGUSR1; "), "\(outcome)")
    try row.expectOnlyStopped(
      outcome, status: 75, [], ranks: ranks, more: ["--eval-every", "0"])
  }
}
