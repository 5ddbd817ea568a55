import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// Runs that are asked to stop, by signals and by time (../shared/faults.md, 6 to 9 and 18 to 21).
@Suite(.waiting) struct StopSignalTests {
  let row = FaultRow()
  private let unevaluated = ["--eval-every", "0"]
  /// So that what is saved is saved because of the stop.
  private let rarely = ["--checkpoint-every", "1000000"]

  private func expectSavedAtTheEnd(
    _ outcome: Outcome, by reason: String, at location: SourceLocation = #_sourceLocation
  ) throws {
    let step = try row.jobs.state("run").step
    #expect(
      try row.jobs.steps("run").map(\.step) == Array(1..<step + 1), sourceLocation: location)
    #expect(
      outcome.stderr.components(separatedBy: "nndist: stopped by \(reason); go on with: nndist ")
        .count == 2, "\(outcome)", sourceLocation: location)
    #expect(outcome.stdout.contains(", saved step \(step)\n"), sourceLocation: location)
  }

  /// Row 6: mpirun gives its ranks a second for it.
  @Test func terminatedMpirunEndsAllAndNothingIsLost() throws {
    let program = try row.start(ranks: 2, ["--checkpoint-every", "5"])
    program.send(SIGTERM)
    try row.expectOnlyStopped(
      program.outcome(), status: 1, [], more: unevaluated)
  }

  /// Row 6, with as long as a save may take.
  @Test func terminatedMpirunWithPatienceSaves() throws {
    let program = try row.start(
      ranks: 2, rarely, options: ["--mca", "odls_base_sigkill_timeout", "10"])
    program.send(SIGTERM)
    let outcome = try program.outcome()
    try expectSavedAtTheEnd(outcome, by: "SIGTERM")
    try row.expectOnlyStopped(outcome, status: 1, [], more: unevaluated)
  }

  /// Row 7.
  @Test func signalToMpirunSavesAndStops() throws {
    let program = try row.start(ranks: 3, rarely)
    program.send(SIGUSR1)
    let outcome = try program.outcome()
    try expectSavedAtTheEnd(outcome, by: "SIGUSR1")
    try row.expectOnlyStopped(outcome, status: 75, [], more: unevaluated)
  }

  /// Row 9: the others hear of it with the next sum.
  @Test(arguments: [0, 1])
  func signalToOneRankStopsAll(rank: Int) throws {
    let program = try row.start(ranks: 2, rarely)
    kill(try #require(row.processes[rank]), SIGTERM)
    let outcome = try program.outcome()
    try expectSavedAtTheEnd(outcome, by: rank == 0 ? "SIGTERM" : "a signal to another rank")
    try row.expectOnlyStopped(outcome, status: 75, [], more: unevaluated)
  }

  /// Row 18: a process alone has what one rank under mpirun has.
  @Test func processAloneIsOneRank() throws {
    try row.jobs.train("alone")
    let outcome = try mpirun(ranks: 1, [nndist] + row.jobs.arguments("rank"))
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try row.jobs.bits("alone") == row.jobs.bits("rank"))
    let program = try row.start(ranks: 1, rarely)
    program.send(SIGTERM)
    let stopped = try program.outcome()
    try expectSavedAtTheEnd(stopped, by: "SIGTERM")
    try row.expectOnlyStopped(stopped, status: 75, [], ranks: 1, more: unevaluated)
  }

  /// Nothing is lost where no step was made yet, so loading is given up at once.
  @Test(arguments: [1, 2])
  func signalWhileLoadingStops(ranks: Int) throws {
    let command = [faultyNNDist] + row.jobs.arguments("run", FaultRow.steady)
    // The signal ends the sleep.
    let environment = ["NNDIST_FAULT": "sleep=60000:0:0:load"].merging(mpirunAsRoot) { $1 }
    let program = try StartedProgram(
      (ranks == 1 ? [] : ["mpirun", "--oversubscribe", "-n", "\(ranks)"]) + command,
      environment: environment)
    // From where signals are caught until the data are opened.
    let deadline = Date() + 120
    while row.processes.values.count(where: catchesSIGUSR1) < ranks, Date() < deadline {
      usleep(2000)
    }
    program.send(SIGUSR1)
    try row.expectOnlyStopped(
      program.outcome(), status: 75,
      ["stopped by SIGUSR1 while loading ", trainImagesName], ranks: 1)
  }

  /// Source: proc_pid_status(5), SigCgt, a mask in hexadecimal.
  private func catchesSIGUSR1(_ process: Int32) -> Bool {
    let data = FileManager.default.contents(atPath: "/proc/\(process)/status") ?? Data()
    let line = String(decoding: data, as: UTF8.self).split(separator: "\n")
      .first { $0.hasPrefix("SigCgt:") }
    let mask = line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" }, radix: 16) } ?? 0
    return mask & 1 << (UInt64(SIGUSR1) - 1) != 0
  }

  @Test(arguments: [1, 2])
  func timeLimitSavesAndStops(ranks: Int) throws {
    let command =
      [faultyNNDist]
      + row.jobs.arguments(
        "run",
        FaultRow.steady + rarely + unevaluated + ["--epochs", "1000000", "--time-limit", "2"])
    let outcome =
      ranks == 1
      ? try run(command, environment: Jobs.paced)
      : try mpirun(ranks: ranks, command, environment: Jobs.paced)
    try expectSavedAtTheEnd(outcome, by: "the time limit")
    try row.expectOnlyStopped(outcome, status: 75, [], more: unevaluated)
  }

  /// Slurm says when the job ends, unless one wants another end.
  @Test func slurmsTimeLimitIsKnown() throws {
    let command =
      [faultyNNDist]
      + row.jobs.arguments("run", FaultRow.steady + rarely + unevaluated + ["--epochs", "1000000"])
    func ended(at end: Int, _ more: [String] = []) throws -> Outcome {
      try run(
        command + more, environment: ["SLURM_JOB_END_TIME": "\(end)"].merging(Jobs.paced) { $1 })
    }
    let outcome = try ended(at: Int(Date().timeIntervalSince1970) + 3)
    try expectSavedAtTheEnd(outcome, by: "Slurm's time limit")
    #expect(outcome.status == 75, "\(outcome)")
    let other = try ended(at: 1, ["--resume", "--time-limit", "2"])
    #expect(other.stderr.contains("nndist: stopped by the time limit; "), "\(other)")
    try row.expectOnlyStopped(other, status: 75, [], more: unevaluated)
  }

  @Test(arguments: ["0", "-5", "1:2:3:4", "soon", "1-", ":", "1:-2"])
  func otherTimesAreRefused(text: String) throws {
    let outcome = try run([nndist] + row.jobs.arguments("run", ["--time-limit=\(text)"]))
    expectError(outcome, 64, "--time-limit \(text) is not a time; write ")
  }

  /// Row 8: what Slurm does, played by bash: the batch shell gets USR1 before the end, and what is
  /// requeued runs again.
  @Test func batchScriptSavesRequeuesAndResumes() throws {
    let folder = row.jobs.folder
    folder.write("bin/scontrol", "#!/bin/bash\necho \"$@\" >> \"$SLURM_LOG\"\n")
    // The directive asks for the signal; the job script runs as often as it was requeued.
    folder.write(
      "bin/sbatch",
      """
      #!/bin/bash
      grep -q '^#SBATCH --signal=B:USR1@' "$1" && grep -q '^#SBATCH --requeue' "$1" || exit 99
      export SLURM_JOB_ID=4711
      for launch in 1 2; do
        [ $launch = 1 ] || unset NNDIST_FAULT
        bash "$@" & shell=$!
        if [ $launch = 1 ]; then
          until [ "$(grep -c '"event":"step"' "$NNDIST_RUN/metrics.jsonl" 2>/dev/null)" -ge 5 ] 2>/dev/null
          do kill -0 $shell || exit 98; sleep 0.01; done
          kill -USR1 $shell
        fi
        wait $shell; echo "status $?" >> "$SLURM_LOG"
        grep -q 'requeue 4711' "$SLURM_LOG" || exit 97
      done
      """)
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("launch/slurm.sbatch").path
    let prepared = try run([
      "bash", "-c",
      "chmod +x '\(folder.path)'/bin/* && mkdir -p '\(folder.path)/.build/release' && "
        + "ln -s '\(faultyNNDist)' '\(folder.path)/.build/release/nndist'",
    ])
    #expect(prepared.status == 0, "\(prepared)")
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let arguments =
      Jobs.small + FaultRow.steady + rarely + unevaluated
      + ["--data", row.jobs.data, "--epochs", "400"]
    let outcome = try run(
      ["env", "-C", folder.path, folder.path + "/bin/sbatch", script] + arguments,
      environment: [
        "PATH": "\(folder.path)/bin:\(path)", "NNDIST_RUN": row.jobs.path("run"),
        "SLURM_LOG": folder.path + "/slurm.log",
      ].merging(mpirunAsRoot) { $1 }.merging(Jobs.paced) { $1 })
    let log = String(decoding: contents(folder.path + "/slurm.log"), as: UTF8.self)
    #expect(log == "requeue 4711\nstatus 75\nstatus 0\n", "\(outcome)")
    let stopped = try row.jobs.metrics("run", "end").map { $0["steps"] as? Int ?? 0 }
    #expect(stopped.count == 2 && stopped[0] < 2000 && stopped[1] == 2000, "\(stopped)")
    row.expectNobodyLeft()
    try row.jobs.train("whole", FaultRow.steady + unevaluated + ["--epochs", "400"])
    #expect(try row.jobs.bits("run") == row.jobs.bits("whole"))
  }

  /// Row 19: mpirun's own words, before any rank of ours begins.
  @Test func tooFewSlotsAreMpirunsToRefuse() throws {
    let outcome = try run(
      ["mpirun", "--host", "localhost:1", "-n", "3", nndist] + row.jobs.arguments("run"),
      environment: mpirunAsRoot)
    #expect(outcome.status == 1 && outcome.stderr.contains("not enough slots"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: row.jobs.path("run")))
  }

  @Test(.enabled(if: getuid() == 0, "mpirun refuses root alone"))
  func rootIsMpirunsToRefuse() throws {
    let outcome = try run(
      [
        "env", "-u", "OMPI_ALLOW_RUN_AS_ROOT", "-u", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "mpirun",
        "-n",
      ]
        + ["1", nndist] + row.jobs.arguments("run"))
    #expect(outcome.status == 1 && outcome.stderr.contains("run as root"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: row.jobs.path("run")))
  }

  /// Row 20.
  @Test func closedStandardInputDoesNoHarm() throws {
    for (name, launcher) in [("run", "mpirun --oversubscribe -n 2 "), ("alone", "")] {
      let arguments = row.jobs.arguments(name).map { "'\($0)'" }.joined(separator: " ")
      let outcome = try run(
        ["bash", "-c", "exec \(launcher)\(nndist) \(arguments) <&-"], environment: mpirunAsRoot)
      #expect(outcome.status == 0, "\(outcome)")
    }
    #expect(try row.jobs.bits("run") == row.jobs.bits("alone"))
  }

  /// Row 21: alone it goes on, and says once that nobody reads.
  @Test func closedStandardOutputIsToldOfOnce() throws {
    let arguments = row.jobs.arguments("run").map { "'\($0)'" }.joined(separator: " ")
    let outcome = try run([
      "bash", "-c", "\(nndist) \(arguments) | head -1; echo \"status ${PIPESTATUS[0]}\" >&2",
    ])
    #expect(outcome.stderr.hasSuffix("status 0\n"), "\(outcome)")
    #expect(
      outcome.stderr.components(separatedBy: "nndist: warning: cannot write standard output: ")
        .count
        == 2, "\(outcome)")
    try row.jobs.train("whole")
    #expect(try row.jobs.bits("run") == row.jobs.bits("whole"))
  }

  /// Row 21: mpirun ends a job whose output nobody reads.
  @Test func mpirunWithoutAReaderEndsAll() throws {
    let more = FaultRow.steady + ["--epochs", "100000", "--checkpoint-every", "5"]
    let arguments = row.jobs.arguments("run", more).map { "'\($0)'" }.joined(separator: " ")
    let outcome = try run(
      [
        "bash", "-c",
        "mpirun --oversubscribe -n 2 \(faultyNNDist) \(arguments) | head -1; exit ${PIPESTATUS[0]}",
      ], environment: mpirunAsRoot.merging(Jobs.paced) { $1 })
    // It ends with 1, but for what it does on its way out: Open MPI 4.1's at times crashes (139), or
    // writes once more when it handles SIGPIPE no longer (141).
    let ofItself: [Int32] = [139, 141]
    try row.expectOnlyStopped(
      outcome, status: ofItself.contains(outcome.status) ? outcome.status : 1, [])
  }
}
