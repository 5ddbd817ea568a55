import Foundation
import Synchronization
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// A row of ../shared/faults.md: a job that something happens to, and what is expected of every such
/// job (`expectOnlyStopped`).
struct FaultRow {
  let jobs = Jobs()
  /// So that a longer run begins as a shorter one.
  static let steady = ["--set", "schedule=constant"]

  /// Runs the small job of `Jobs` with a fault on some rank.
  /// - Parameter ranks: 1: without mpirun.
  func run(_ fault: String, ranks: Int, _ more: [String] = []) throws -> Outcome {
    let command = [faultyNNDist] + jobs.arguments("run", FaultRow.steady + more)
    // Beside other jobs: most of the time here is spent waiting.
    return try TestSupport.run(
      (ranks == 1 ? [] : ["mpirun", "--oversubscribe", "-n", "\(ranks)"]) + command,
      environment: ["NNDIST_FAULT": fault].merging(mpirunAsRoot) { $1 })
  }

  /// A job that would go on for ever, some steps after its beginning.
  /// - Parameters:
  ///   - options: mpirun's.
  ///   - launcher: the program that starts each rank, and its arguments; none: mpirun itself.
  func start(
    ranks: Int, _ more: [String] = [], options: [String] = [], launcher: [String] = []
  ) throws -> StartedProgram {
    let command =
      launcher + [faultyNNDist]
      + jobs.arguments("run", FaultRow.steady + ["--epochs", "100000", "--eval-every", "0"] + more)
    let program =
      ranks == 1
      ? try StartedProgram(command, environment: Jobs.paced)
      : try StartedProgram(
        ["mpirun", "--oversubscribe", "-n", "\(ranks)"] + options + command,
        environment: Jobs.paced.merging(mpirunAsRoot) { $1 })
    try jobs.waitForSteps("run", 5, of: program)
    return program
  }

  /// The processes of the job's ranks that are alive, by rank.
  var processes: [Int: Int32] {
    var found: [Int: Int32] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let process = Int32(name), process != getpid() else { continue }
      func read(_ file: String) -> [Substring] {
        let data = FileManager.default.contents(atPath: "/proc/\(process)/\(file)") ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\0")
      }
      // A dead one has no command line any more.
      let command = read("cmdline")
      guard let program = command.first, program == nndist || program == faultyNNDist,
        command.contains(where: { $0 == jobs.path("run") })
      else { continue }
      let rank = read("environ").first { $0.hasPrefix("OMPI_COMM_WORLD_RANK=") }
      found[rank.flatMap { Int($0.split(separator: "=")[1]) } ?? 0] = process
    }
    return found
  }

  /// Expects that no rank is alive some seconds from now. (The row says 5, of a machine that does nothing
  /// else.)
  func expectNobodyLeft(at location: SourceLocation = #_sourceLocation) {
    let seconds = 20.0
    let deadline = Date() + seconds
    while !processes.isEmpty && Date() < deadline { usleep(20_000) }
    #expect(processes.isEmpty, "still alive after \(seconds) s", sourceLocation: location)
  }

  /// Expects what holds for every row: the job ended with `status` and one line of error at most; no
  /// rank is left; the newest checkpoint verifies; and the run goes on from it as if nothing had been.
  /// - Parameters:
  ///   - parts: of the one line of error; none: there is no such line.
  ///   - ranks: on which it goes on.
  func expectOnlyStopped(
    _ outcome: Outcome, status: Int32, _ parts: [String], ranks: Int = 2, more: [String] = [],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    expectNobodyLeft(at: location)
    #expect(outcome.status == status, "\(outcome)", sourceLocation: location)
    let lines = outcome.stderr.split(separator: "\n").filter { $0.contains("nndist: error: ") }
    #expect(lines.count == (parts.isEmpty ? 0 : 1), "\(outcome)", sourceLocation: location)
    for part in parts {
      #expect(
        lines.first?.contains(part) ?? false, "\(part): \(outcome)", sourceLocation: location)
    }
    try expectSameEnd(ranks: ranks, more: more, at: location)
  }

  /// Expects that the run goes on to what it would have been.
  func expectSameEnd(
    ranks: Int, more: [String] = [], at location: SourceLocation = #_sourceLocation
  ) throws {
    let newest = jobs.checkpoints("run").last
    if newest != nil { _ = try jobs.state("run") }
    // What was begun for ever ends three epochs from here.
    let epochs = newest.flatMap { Int($0.dropFirst(5)) }.map { $0 / 5 + 3 } ?? 3
    let length = FaultRow.steady + ["--epochs", "\(epochs)"]
    let outcome = try jobs.train("run", ranks: ranks, more + length + ["--resume"], at: location)
    if let newest, let step = Int(newest.dropFirst(5)) {
      #expect(
        outcome.stdout.contains("resumed at step \(step) of"), "\(outcome)",
        sourceLocation: location)
    }
    #expect(try jobs.bits("run") == undisturbed(more + length, location), sourceLocation: location)
  }

  /// By arguments. The rows' data are the same.
  private static let undisturbedBits = Mutex<[[String]: [[UInt8]]]>([:])

  /// What the run that nothing happens to ends with; it is trained once.
  private func undisturbed(_ arguments: [String], _ location: SourceLocation) throws -> [[UInt8]] {
    if let bits = FaultRow.undisturbedBits.withLock({ $0[arguments] }) { return bits }
    // Threads would wait for each other at each of many steps.
    try jobs.train("whole", arguments + ["--threads", "1"], at: location)
    let bits = try jobs.bits("whole")
    FaultRow.undisturbedBits.withLock { $0[arguments] = bits }
    return bits
  }
}

extension Jobs {
  /// Returns when the run has made so many steps.
  func waitForSteps(_ name: String, _ steps: Int, of program: StartedProgram) throws {
    let deadline = Date() + 120
    while (try? self.steps(name).count) ?? 0 < steps {
      guard program.isRunning, Date() < deadline else {
        program.send(SIGKILL)
        throw RunError(description: "\(name) made no steps: \(try program.outcome())")
      }
      usleep(2000)
    }
  }
}
