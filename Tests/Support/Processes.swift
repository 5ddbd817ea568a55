import Foundation
import Synchronization
import System

/// How a program ended and what it wrote.
public struct Outcome: Sendable, CustomStringConvertible {
  /// Its exit status; 128 + n when signal n ended it.
  public let status: Int32
  public let stdout: String
  public let stderr: String

  public var description: String { "status \(status)\nstdout: \(stdout)\nstderr: \(stderr)" }
}

/// A program that could not be run to its end.
public struct RunError: Error, CustomStringConvertible {
  public let description: String

  public init(description: String) { self.description = description }
}

/// The path of this package's executable `name`, built beside the tests.
public func builtProduct(_ name: String) -> String {
  URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appendingPathComponent(name).path
}

/// What takes so long hangs, on any machine that is busy with other tests beside it.
public let hangSeconds = 300

/// Runs a program and returns when it has ended; stdin is empty.
/// - Parameters:
///   - arguments: the program, by path or by its name in PATH, and its arguments.
///   - environment: added to this process's own.
///   - deadlineSeconds: after it the program is killed and RunError thrown.
/// - Throws: RunError when there is no such program or it took too long.
public func run(
  _ arguments: [String], environment: [String: String] = [:], deadlineSeconds: Int = hangSeconds
) throws -> Outcome {
  try StartedProgram(arguments, environment: environment).outcome(deadlineSeconds: deadlineSeconds)
}

/// A program that runs beside the test; killed with its owner.
public final class StartedProgram {
  private let command: String
  private let program: ChildProgram
  private let end: ProgramEnd
  // Files, not pipes: a grandchild that outlives the program cannot hold up the reading.
  private let folder = TemporaryFolder()

  public var processIdentifier: Int32 { program.process }
  public var isRunning: Bool { end.status == nil }

  /// Starts it; as for `run`.
  public init(_ arguments: [String], environment: [String: String] = [:]) throws {
    command = arguments.joined(separator: " ")
    do {
      // A group of its own, no signal blocked (the threads that tests run on block some) or ignored.
      program = try ChildProgram(
        arguments, environment: environment, output: folder.path + "/stdout",
        errors: folder.path + "/stderr", isJob: true)
    } catch {
      throw RunError(description: "\(error)")
    }
    end = ProgramEnd(of: program)
  }

  deinit { send(SIGKILL) }

  /// Without effect where it has ended.
  public func send(_ signal: Int32) { if isRunning { kill(processIdentifier, signal) } }

  /// What it has written so far.
  public var standardError: String { text("stderr") }

  private func text(_ name: String) -> String {
    String(decoding: contents(folder.path + "/" + name), as: UTF8.self)
  }

  /// Waits for its end; called once.
  public func outcome(deadlineSeconds: Int = hangSeconds) throws -> Outcome {
    let inTime = end.wait(seconds: deadlineSeconds)
    if !inTime {
      send(SIGKILL)
      _ = end.wait(seconds: nil)
    }
    let outcome = Outcome(status: end.status!, stdout: text("stdout"), stderr: text("stderr"))
    guard inTime else {
      throw RunError(description: "'\(command)' was killed after \(deadlineSeconds) s: \(outcome)")
    }
    return outcome
  }
}

/// A thread that waits for a program's end.
private final class ProgramEnd: Sendable {
  private let known = Mutex<Int32?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  /// nil while the program runs.
  var status: Int32? { known.withLock { $0 } }

  init(of program: ChildProgram) {
    Thread.detachNewThread { [self] in
      let status = program.wait()
      known.withLock { $0 = status }
      ended.signal()
    }
  }

  /// Whether it has come within that time; nil: however long it takes.
  func wait(seconds: Int?) -> Bool {
    guard let seconds else {
      ended.wait()
      return true
    }
    return ended.wait(timeout: .now() + .seconds(seconds)) == .success
  }
}

/// Two jobs at a time: those of tests that run side by side would slow each other on few cores.
private let jobs = DispatchSemaphore(value: 2)

/// Runs `body` when few other jobs run.
func besideFewJobs<Result>(_ body: () throws -> Result) rethrows -> Result {
  jobs.wait()
  defer { jobs.signal() }
  return try body()
}

/// Runs `arguments` on `ranks` ranks, more than there are cores if need be.
/// - Throws: RunError, also where mpirun is not installed.
public func mpirun(
  ranks: Int, _ arguments: [String], environment: [String: String] = [:],
  deadlineSeconds: Int = hangSeconds
) throws -> Outcome {
  try mpirun(
    ["-n", "\(ranks)"] + arguments, environment: environment, deadlineSeconds: deadlineSeconds)
}

/// Runs mpirun with `arguments`, such as those of a job of several programs.
public func mpirun(
  _ arguments: [String], environment: [String: String] = [:], deadlineSeconds: Int = hangSeconds
) throws -> Outcome {
  try besideFewJobs {
    try run(
      ["mpirun", "--oversubscribe"] + arguments,
      environment: environment.merging(mpirunAsRoot) { $1 }, deadlineSeconds: deadlineSeconds)
  }
}

/// What mpirun wants to see before it runs as root.
public let mpirunAsRoot = [
  "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
]
