import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// Ranks that die or fail by themselves: named, the others ended, nothing lost (../shared/faults.md).
@Suite(.waiting) struct DeathTests {
  let row = FaultRow()
  private let host = ProcessInfo.processInfo.hostName

  /// Row 1. Its host's other ranks say which step and section; mpirun says the signal.
  @Test func killedRankIsNamed() throws {
    let outcome = try row.run("kill:1:7:sum", ranks: 3)
    try row.expectOnlyStopped(
      outcome, status: 137,
      ["rank 1 (pid ", ", host \(host)) died at step 7, in sum (its last collective: ", "step 6"])
  }

  /// Row 1, at moments that no program knows of; also of rank 0.
  @Test(arguments: [0, 1])
  func rankKilledFromOutsideIsNamed(rank: Int) throws {
    let program = try row.start(ranks: 2, ["--checkpoint-every", "5"])
    let process = try #require(row.processes[rank])
    kill(process, SIGKILL)
    try row.expectOnlyStopped(
      program.outcome(), status: 137,
      ["rank \(rank) (pid \(process), host \(host)) died at step "], more: ["--eval-every", "0"])
  }

  /// Row 2: a broken contract, and memory that is not there.
  @Test(arguments: [("trap", Int32(132)), ("segv", 139)])
  func crashedRankIsNamed(kind: String, status: Int32) throws {
    let outcome = try row.run("\(kind):2:8:backward", ranks: 3)
    try row.expectOnlyStopped(
      outcome, status: status,
      ["rank 2 (pid ", ", host \(host)) died at step 8, in "])
  }

  /// Row 3: between two collectives, where the others know nothing; and inside of agreements.
  @Test(arguments: [("update", 8, 74), ("load", 0, 74), ("evaluate", 10, 74), ("save", 10, 74)])
  func errorOfOneRankEndsAll(site: String, step: Int, status: Int32) throws {
    let outcome = try row.run("error:1:\(step):\(site)", ranks: 3)
    try row.expectOnlyStopped(
      outcome, status: status,
      [
        "a test asked for an error",
        "(rank 1 of 3, host \(host)\(site == "update" ? ", step 8" : "")",
      ])
  }

  /// Row 4: an option that one rank does not have, or asks for something else.
  @Test(arguments: [("--epoch", Int32(64), "(rank 1 of 2, host "), ("--help", 70, "in end of MPI")])
  func rankWithOtherOptionsEndsAll(option: String, status: Int32, text: String) throws {
    let outcome = try mpirun(
      ["-n", "1", nndist] + row.jobs.arguments("run", FaultRow.steady)
        + [":", "-n", "1", nndist, option])
    try row.expectOnlyStopped(outcome, status: status, [text])
  }

  /// Row 4: what another program returns before MPI_Init, 0 included, which mpirun alone would wait on
  /// for ever.
  @Test(arguments: [("false", Int32(1)), ("true", 75)])
  func rankThatEndsBeforeMPIBeginsEndsAll(program: String, status: Int32) throws {
    // Of the one mpirun itself ends the job.
    let timeout = status == 1 ? [] : ["--stall-timeout", "2"]
    let command = [nndist] + row.jobs.arguments("run", FaultRow.steady + timeout)
    let outcome = try mpirun(
      ["-n", "1"] + command + [":", "-n", "1", program, ":", "-n", "1"] + command)
    try row.expectOnlyStopped(
      outcome, status: status,
      status == 1
        ? [] : ["rank 0 (pid ", ") waited 2 s at its start for the others (--stall-timeout): "])
  }

  /// Row 5: no rank outlives mpirun, and the lock is free.
  @Test func killedMpirunLeavesNoRank() throws {
    let program = try row.start(ranks: 3, ["--checkpoint-every", "5"])
    #expect(row.processes.count == 3)
    program.send(SIGKILL)
    row.expectNobodyLeft()
    try row.expectOnlyStopped(
      program.outcome(), status: 137, [], more: ["--eval-every", "0"])
  }

  /// What mpirun does where a rank bears SIGTERM (row 6): who sees that it was killed then says nothing of it.
  /// mpirun itself is stopped meanwhile, as it would end the other one too.
  @Test func deathAfterSIGTERMIsNoNews() throws {
    let program = try row.start(
      ranks: 2, ["--stall-timeout", "6", "--checkpoint-every", "5"])
    let processes = row.processes
    let (seeing, killed) = (try #require(processes[0]), try #require(processes[1]))
    program.send(SIGSTOP)
    kill(killed, SIGSTOP)
    kill(seeing, SIGTERM)
    // More than the 0.6 s by which the watchdog knows a death of a rank's own, which mpirun answers.
    sleep(3)
    kill(killed, SIGKILL)
    // It waits for the killed one until the timeout.
    row.expectNobodyLeft()
    program.send(SIGCONT)
    let outcome = try program.outcome()
    // That of the rank whose end mpirun finds first.
    #expect([75, 137].contains(outcome.status), "\(outcome)")
    try row.expectOnlyStopped(
      outcome, status: outcome.status, [], more: ["--eval-every", "0"])
  }

  /// Row 40: what one rank cannot open, of a run that was begun where it could.
  @Test(arguments: [0, 1, 2])
  func dataThatOneRankCannotOpenEndsAll(rank: Int) throws {
    let missing = row.jobs.path("nowhere/train.csv")
    let data = row.jobs.folder.write(
      "train.csv", "a,b\n" + (0..<40).map { "\($0),\($0 % 2)\n" }.joined())
    let recipe = row.jobs.folder.write("recipe.yaml", DeathTests.recipe)
    func command(_ run: String, _ data: String) -> [String] {
      [nndist, recipe, "--run", row.jobs.path(run), "--data", data, "--resume"]
    }
    for (name, more) in [("whole", []), ("run", ["--max-steps", "3"])] {
      let outcome = try TestSupport.run(command(name, data) + more)
      #expect(outcome.status == 0, "\(outcome)")
    }
    for name in ["run", "new"] {
      let ranks = (0..<3).map { ["-n", "1"] + command(name, $0 == rank ? missing : data) }
      let outcome = try mpirun(Array(ranks.joined(separator: [":"])))
      expectError(
        outcome, 66, missing, "No such file or directory", "(rank \(rank) of 3, host \(host))")
      row.expectNobodyLeft()
    }
    #expect(!FileManager.default.fileExists(atPath: row.jobs.path("new")))
    #expect(row.jobs.checkpoints("run") == ["step-00000003"])
    for name in ["run", "new"] {
      let outcome = try mpirun(ranks: 2, command(name, data))
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try row.jobs.bits(name) == row.jobs.bits("whole"))
    }
  }

  private static let recipe = """
    name: table
    data: {dataset: csv, path: train.csv, target_column: b, split: {test: 0.2}}
    model: {layers: [{layer: Linear, in_features: 1, out_features: 2}]}
    loss: cross-entropy
    optimizer: {kind: sgd, lr: 0.01}
    batch_size: 8
    shards: 3
    epochs: 1
    """

  /// Row 41: shards that get nothing add nothing, and no sample at all is an error.
  @Test func fewerSamplesThanShardsTrain() throws {
    row.jobs.folder.writeImages(train: 3, test: 2)
    let few = ["--shards", "5", "--batch-size", "2"]
    try row.jobs.train("alone", few)
    let outcome = try row.jobs.train("run", ranks: 5, few)
    let warning = "warning: 3 samples leave some of the 5 shards empty"
    #expect(outcome.stderr.contains(warning), "\(outcome)")
    #expect(try row.jobs.bits("run") == row.jobs.bits("alone"))
    // In the middle of an epoch of two steps.
    try row.jobs.train("resumed", ranks: 5, few + ["--max-steps", "3"])
    let resumed = try row.jobs.train("resumed", ranks: 2, few + ["--resume"])
    #expect(resumed.stdout.contains("resumed at step 3 of 6"), "\(resumed)")
    #expect(resumed.stderr.contains(warning), "\(resumed)")
    #expect(try row.jobs.bits("resumed") == row.jobs.bits("alone"))
  }

  @Test func noSampleAtAllIsBadData() throws {
    try row.jobs.train("run", FaultRow.steady + ["--max-steps", "7"])
    let (images, labels) = ("data/" + trainImagesName, "data/" + trainLabelsName)
    let before = [images, labels].map { ($0, contents(row.jobs.path($0))) }
    row.jobs.folder.write(images, idx([0, 28, 28], []))
    row.jobs.folder.write(labels, idx([0], []))
    let outcome = try mpirun(
      ranks: 2, [nndist] + row.jobs.arguments("run", FaultRow.steady + ["--resume"]))
    expectError(outcome, 65, trainImagesName, "declares 0 x 28 x 28: no data")
    for (name, bytes) in before { row.jobs.folder.write(name, bytes) }
    try row.expectOnlyStopped(outcome, status: 65, [trainImagesName])
  }
}
