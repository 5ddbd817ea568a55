import Foundation
import TestSupport
import Testing

import struct TestSupport.Outcome
import enum Training.Checkpoint

/// A system call of a save that fails, and what the run says of it.
struct DiskFault: Sendable, CustomTestStringConvertible {
  /// Below the temporary directory; empty: the directory itself.
  let file: String
  let inject: String
  let parts: [String]

  init(_ file: String, _ inject: String, _ parts: String...) {
    (self.file, self.inject, self.parts) = (file, inject, parts)
  }

  var testDescription: String { "\(inject) of \(file.isEmpty ? "the directory" : file)" }
}

/// Disks that are full or fail while a run saves (../shared/faults.md, 22 to 26).
@Suite(.waiting, .enabled(if: canInject, Comment(rawValue: cannotInject)))
struct DiskFaultTests {
  let jobs = Jobs.saving()

  static let faults = [
    DiskFault("", "mkdir:error=ENOSPC", "cannot make ", "No space left on device"),
    DiskFault("model.safetensors", "openat:error=ENOSPC", "cannot create ", "No space left"),
    DiskFault("model.safetensors", "write:error=ENOSPC", "cannot write ", "No space left"),
    DiskFault("optimizer.safetensors", "write:error=EDQUOT", "cannot write ", "quota exceeded"),
    DiskFault("state.json", "write:error=EFBIG", "cannot write ", "File too large"),
    DiskFault("model.safetensors", "fsync:error=EIO", "cannot sync ", "Input/output error"),
    DiskFault("state.json", "fsync:error=EIO", "cannot sync ", "Input/output error"),
    DiskFault("state.json", "close:error=EIO", "cannot close ", "Input/output error"),
    DiskFault("", "fsync:error=EIO", "cannot sync ", "Input/output error"),
    DiskFault("", "rename:error=EIO", "cannot rename ", "Input/output error"),
  ]

  /// nndist under strace, where `fault` comes over the save of step 8.
  private func faulty(_ fault: DiskFault, _ when: String, _ more: [String] = []) -> [String] {
    let place = jobs.temporary("run", 8) + (fault.file.isEmpty ? "" : "/" + fault.file)
    return strace(
      jobs.saving("run", more), paths: [place], inject: fault.inject + ":when=\(when)",
      log: jobs.path("log"))
  }

  @Test(arguments: faults)
  func saveThatFailsOnItsWayIsAWarningAndTheNextIsMade(fault: DiskFault) throws {
    try jobs.saveWhole()
    let outcome = try run(faulty(fault, "1"))
    #expect(outcome.status == 0, "\(outcome)")
    expectWarning(
      outcome, "step 8 was not saved: ", jobs.temporary("run", 8),
      "; this is tried again at the next interval; step 4 is the last that is saved")
    for part in fault.parts { #expect(outcome.stderr.contains(part), "\(outcome)") }
    #expect(try jobs.savedSteps("run") == [4, 12, 16, 20, 21])
    #expect(
      try jobs.entries("run") == ["latest", "step-00000016", "step-00000020", "step-00000021"])
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    // A descriptor whose fsync failed is not synced again: the kernel may call lost pages clean.
    let calls = loggedCalls(jobs.path("log"))
    #expect(calls.count { $0.contains("(INJECTED)") } == 1, "\(calls)")
    if fault.inject.hasPrefix("fsync") { #expect(calls.count == 1, "\(calls)") }
  }

  @Test(arguments: [1, 2], [faults[2], faults[5], faults[9]])
  func lastSaveThatFailsEndsAllRanks(ranks: Int, fault: DiskFault) throws {
    try jobs.saveWhole()
    let traced = faulty(fault, "1+", ["--max-steps", "8"])
    let plain = jobs.saving("run", ["--max-steps", "8"])
    let outcome =
      ranks == 1 ? try run(traced) : try mpirun(["-n", "1"] + traced + [":", "-n", "1"] + plain)
    expectError(outcome, 74, jobs.temporary("run", 8))
    for part in fault.parts { #expect(outcome.stderr.contains(part), "\(outcome)") }
    #expect(try jobs.savedSteps("run") == [4])
    #expect(try jobs.entries("run") == ["latest", "step-00000004"])
    #expect(try jobs.metrics("run", "end").isEmpty)
    try jobs.expectToGoOn("run")
  }

  /// Asked to stop, a run saves; it must not say that it did where it could not.
  @Test func stopWhoseSaveFailsIsNoStop() throws {
    // All saves fail, as the place of each is taken away.
    let path = jobs.path("run") + "/checkpoints"
    let program = try StartedProgram(
      jobs.saving("run", ["--epochs", "1000000", "--checkpoint-every", "100000000"]))
    let deadline = Date() + 120
    while (try? jobs.steps("run").count) ?? 0 < 5, Date() < deadline { usleep(2000) }
    try #require(program.isRunning)
    try FileManager.default.removeItem(atPath: path)
    program.send(SIGTERM)
    let outcome = try program.outcome()
    expectError(outcome, 74, "cannot make \(path)/.tmp-step-")
  }

  @Test func folderThatCannotBeSyncedIsAWarningAndNothingIsRemoved() throws {
    let sixteen = ["--max-steps", "16"]
    try jobs.saveWhole(sixteen)
    let folder = jobs.path("run") + "/checkpoints"
    let outcome = try run(
      strace(jobs.saving("run", sixteen), paths: [folder], inject: "fsync:error=EIO:when=1+"))
    #expect(outcome.status == 0, "\(outcome)")
    let expected = [4, 8, 12, 16].map {
      "warning: durability of \(jobs.checkpoint("run", $0)) uncertain: cannot sync \(folder): "
        + "Input/output error\n"
    }
    #expect(outcome.stderr == expected.joined())
    #expect(try jobs.savedSteps("run") == [4, 8, 12, 16])
    #expect(jobs.checkpoints("run").count == 4)
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }

  /// The second sync of the last save: that of the links.
  @Test func linksThatCannotBeSyncedAreAWarning() throws {
    let folder = jobs.path("run") + "/checkpoints"
    let outcome = try run(
      strace(
        jobs.saving("run", ["--max-steps", "8"]), paths: [folder],
        inject: "fsync:error=EIO:when=4"))
    #expect(outcome.status == 0, "\(outcome)")
    expectWarning(outcome, "durability of the links in \(folder) uncertain: cannot sync \(folder)")
    #expect(try jobs.savedSteps("run") == [4, 8] && jobs.state("run").step == 8)
  }

  @Test func linkThatCannotBeMadeIsMadeAtTheNextSave() throws {
    let link = jobs.path("run") + "/checkpoints/.tmp-latest"
    let outcome = try run(
      strace(jobs.saving("run"), paths: [link], inject: "symlink:error=ENOSPC:when=2"))
    #expect(outcome.status == 0, "\(outcome)")
    expectWarning(
      outcome, "cannot point \(jobs.path("run"))/checkpoints/latest to step-00000008",
      "No space left on device", "tried again")
    #expect(try jobs.savedSteps("run") == [4, 8, 12, 16, 20, 21])
    #expect(try jobs.state("run").step == 21)
    let last = try run(
      strace(
        jobs.saving("run2", ["--max-steps", "8"]),
        paths: [jobs.path("run2") + "/checkpoints/.tmp-latest"],
        inject: "symlink:error=ENOSPC:when=1+"))
    expectError(last, 74, "cannot point \(jobs.path("run2"))/checkpoints/latest to step-00000008")
    #expect(
      try warnings(last).count == 2 && jobs.entries("run2") == ["step-00000004", "step-00000008"])
    // The next start mends the link.
    #expect(try run(jobs.saving("run2", ["--resume", "--max-steps", "8"])).status == 0)
    #expect(try jobs.state("run2").step == 8)
  }
}

/// Limits of the system that need no strace.
@Suite struct DiskLimitTests {
  /// 1,003,002 numbers: a checkpoint of 4 and 8 MB.
  private func wide(_ jobs: Jobs) {
    jobs.folder.write(
      "wide.yaml",
      Jobs.petsRecipe.replacingOccurrences(of: "out_features: 8", with: "out_features: 1000")
        .replacingOccurrences(
          of: "in_features: 8, out_features: 6", with: "in_features: 1000, out_features: 1000"
        )
        .replacingOccurrences(of: "in_features: 6", with: "in_features: 1000"))
  }

  /// Of 6 MB: MPI's own files are under it.
  @Test func fileSizeLimitFailsTheSaveAndKillsNothing() throws {
    let jobs = Jobs.saving()
    wide(jobs)
    let arguments = jobs.saving("run", ["--max-steps", "6"])
      .map { $0 == jobs.path("pets.yaml") ? jobs.path("wide.yaml") : $0 }
    let outcome = try run(["bash", "-c", "ulimit -f 6144; exec \"$@\"", "bash"] + arguments)
    expectError(
      outcome, 74, "cannot write \(jobs.temporary("run", 6))/optimizer.safetensors: File too large")
    let warned = warnings(outcome)
    #expect(
      warned.count == 1 && warned[0].contains("step 4 was not saved")
        && warned[0].contains("File too large"),
      "\(outcome)")
    #expect(try jobs.entries("run") == [])
    #expect(try jobs.steps("run").map(\.step) == Array(1...6))
  }

  /// A limit that comes and goes while the run runs: no line of the log is lost, and it saves again.
  @Test func limitThatIsLiftedCostsNothing() throws {
    let jobs = Jobs.saving()
    let program = try StartedProgram(
      jobs.saving("run", ["--epochs", "1000000", "--checkpoint-every", "500"]))
    let log = jobs.path("run") + "/metrics.jsonl"
    func size() -> Int {
      (try? FileManager.default.attributesOfItem(atPath: log)[.size] as? Int) ?? 0
    }
    func limit(_ value: String) throws {
      let outcome = try run([
        "prlimit", "--pid", "\(program.processIdentifier)", "--fsize=\(value)",
      ])
      #expect(outcome.status == 0, "\(outcome)")
    }
    let deadline = Date() + 120
    while size() < 20_000, Date() < deadline { usleep(2000) }
    // Standard error is a file as well, and has room for some warnings.
    try limit("1200:unlimited")
    let logFails = "cannot write \(log): File too large; lines wait until there is room"
    while !(program.standardError.contains(logFails)
      && program.standardError.contains(" was not saved: ")), Date() < deadline
    {
      usleep(2000)
    }
    let before = size()
    try limit("unlimited:unlimited")
    while size() <= before, Date() < deadline { usleep(2000) }
    program.send(SIGTERM)
    let outcome = try program.outcome()
    #expect(outcome.status == 75, "\(outcome)")
    #expect(warnings(outcome).contains { $0.contains(logFails) }, "\(outcome)")
    #expect(warnings(outcome).contains { $0.contains(" was not saved: ") }, "\(outcome)")
    let steps = try jobs.steps("run").map(\.step)
    #expect(try steps == Array(1...jobs.state("run").step))
  }

  @Test(arguments: Launch.allCases)
  func fullStandardOutputLosesNoLineOfTheLog(launch: Launch) throws {
    let jobs = Jobs.saving()
    let command = launch == .alone ? [] : ["mpirun", "--oversubscribe", "-n", "2"]
    let outcome = try run(
      ["bash", "-c", "exec \"$@\" >/dev/full", "bash"] + command + jobs.saving("run"),
      environment: mpirunAsRoot)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try jobs.steps("run").map(\.step) == Array(1...21))
    #expect(try jobs.metrics("run", "end").count == 1)
    #expect(try jobs.savedSteps("run") == [4, 8, 12, 16, 20, 21])
  }

  static let canMount: Bool = {
    let outcome = try? run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"])
    return outcome?.status == 0
  }()

  /// Room for three checkpoints and no fourth: all that are there verify.
  @Test(.enabled(if: canMount, "user namespaces with mounts are not allowed here"))
  func diskThatIsReallyFullKeepsWhatItHas() throws {
    let jobs = Jobs.saving()
    mkdir(jobs.path("disk"), 0o700)
    let script = """
      mount -t tmpfs -o size=56k none "$0" || exit 99
      "$@"; status=$?
      cp -a "$0/run" "$0/../out"
      exit $status
      """
    let arguments = jobs.saving("disk/run", ["--max-steps", "20"])
    let outcome = try run(["unshare", "-Urm", "sh", "-c", script, jobs.path("disk")] + arguments)
    expectError(outcome, 74, "No space left on device")
    #expect(!warnings(outcome).isEmpty, "\(outcome)")
    let saved = jobs.checkpoints("out")
    #expect(!saved.isEmpty && saved.count < 5)
    for name in saved { _ = try Checkpoint.load(jobs.path("out") + "/checkpoints/" + name) }
    #expect(try !jobs.entries("out").contains { $0.hasPrefix(".tmp-") })
    try jobs.saveWhole(["--max-steps", "20"])
    try jobs.expectToGoOn("out", ["--max-steps", "20"])
  }
}
