import Foundation

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
  private let process = Process()
  private let ended = DispatchSemaphore(value: 0)
  // Files, not pipes: a grandchild that outlives the program cannot hold up the reading.
  private let folder = TemporaryFolder()

  public var processIdentifier: Int32 { process.processIdentifier }
  public var isRunning: Bool { process.isRunning }

  /// Starts it; as for `run`.
  public init(_ arguments: [String], environment: [String: String] = [:]) throws {
    command = arguments.joined(separator: " ")
    process.executableURL = try executable(arguments[0])
    process.arguments = Array(arguments.dropFirst())
    process.environment = ownEnvironment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: folder.write("stdout", ""))
    process.standardError = FileHandle(forWritingAtPath: folder.write("stderr", ""))
    let ended = ended
    process.terminationHandler = { _ in ended.signal() }
    // The threads that tests run on block signals, and a program would begin with theirs blocked.
    var none = sigset_t()
    var mine = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &mine)
    defer { pthread_sigmask(SIG_SETMASK, &mine, nil) }
    try process.run()
  }

  deinit { if process.isRunning { send(SIGKILL) } }

  public func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// What it has written so far.
  public var standardError: String { text("stderr") }

  private func text(_ name: String) -> String {
    String(decoding: contents(folder.path + "/" + name), as: UTF8.self)
  }

  /// Waits for its end; called once.
  public func outcome(deadlineSeconds: Int = hangSeconds) throws -> Outcome {
    let inTime = ended.wait(timeout: .now() + .seconds(deadlineSeconds)) == .success
    if !inTime {
      send(SIGKILL)
      ended.wait()
    }
    let outcome = Outcome(
      status: process.terminationReason == .exit
        ? process.terminationStatus : 128 + process.terminationStatus,
      stdout: text("stdout"), stderr: text("stderr"))
    guard inTime else {
      throw RunError(description: "'\(command)' was killed after \(deadlineSeconds) s: \(outcome)")
    }
    return outcome
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

/// Read once: hundreds of programs are started, from several threads.
private let ownEnvironment = ProcessInfo.processInfo.environment

private func executable(_ name: String) throws -> URL {
  let path = ownEnvironment["PATH"] ?? ""
  let folders = name.contains("/") ? [""] : path.split(separator: ":").map { $0 + "/" }
  guard let found = folders.map({ $0 + name }).first(where: FileManager.default.isExecutableFile)
  else { throw RunError(description: "no program '\(name)' in PATH (\(path))") }
  return URL(fileURLWithPath: found)
}
