import Foundation
import Synchronization

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
///
/// Not Foundation's Process: in Swift 6.3 its start copies a whole `dirent`, 256 bytes of name, for each
/// entry of /proc/self/fd. The last one's may reach behind what readdir has read into, and of hundreds of
/// starts one in some thousands then ended the tests with a segmentation fault.
public final class StartedProgram {
  private let command: String
  private let end: ProgramEnd
  // Files, not pipes: a grandchild that outlives the program cannot hold up the reading.
  private let folder = TemporaryFolder()

  public let processIdentifier: Int32
  public var isRunning: Bool { end.waitStatus == nil }

  /// Starts it; as for `run`.
  public init(_ arguments: [String], environment: [String: String] = [:]) throws {
    command = arguments.joined(separator: " ")
    let path = try executable(arguments[0])
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (descriptor, name) in [(Int32(1), "stdout"), (2, "stderr")] {
      posix_spawn_file_actions_addopen(
        &actions, descriptor, folder.path + "/" + name, O_WRONLY | O_CREAT, 0o600)
    }
    _ = closeFrom(&actions, 3)
    // A group of its own, no signal blocked (the threads that tests run on block some) or ignored.
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    let variables = ownEnvironment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    var words = arguments.map { strdup($0) } + [nil]
    var settings = variables.map { strdup($0) } + [nil]
    defer { for text in words + settings { free(text) } }
    var identifier: pid_t = 0
    let status = posix_spawn(&identifier, path, &actions, &attributes, &words, &settings)
    guard status == 0 else {
      throw RunError(description: "'\(command)': \(String(cString: strerror(status)))")
    }
    processIdentifier = identifier
    end = ProgramEnd(of: identifier)
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
    let status = end.waitStatus!
    let signal = status & 0x7f
    let outcome = Outcome(
      status: signal == 0 ? status >> 8 & 0xff : 128 + signal,
      stdout: text("stdout"), stderr: text("stderr"))
    guard inTime else {
      throw RunError(description: "'\(command)' was killed after \(deadlineSeconds) s: \(outcome)")
    }
    return outcome
  }
}

/// posix_spawn_file_actions_addclosefrom_np, which glibc's headers show to C with GNU extensions alone.
private let closeFrom: @convention(c) (UnsafeMutableRawPointer, Int32) -> Int32 = {
  let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np")!
  return unsafeBitCast(symbol, to: (@convention(c) (UnsafeMutableRawPointer, Int32) -> Int32).self)
}()

/// A thread that waits for a program's end.
private final class ProgramEnd: Sendable {
  private let status = Mutex<Int32?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  /// As waitpid gives it; nil while the program runs.
  var waitStatus: Int32? { status.withLock { $0 } }

  init(of process: pid_t) {
    Thread.detachNewThread { [self] in
      var status: Int32 = 0
      while waitpid(process, &status, 0) < 0 && errno == EINTR {}
      self.status.withLock { [status] in $0 = status }
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

/// Read once: hundreds of programs are started, from several threads.
private let ownEnvironment = ProcessInfo.processInfo.environment

private func executable(_ name: String) throws -> String {
  let path = ownEnvironment["PATH"] ?? ""
  let folders = name.contains("/") ? [""] : path.split(separator: ":").map { $0 + "/" }
  guard let found = folders.map({ $0 + name }).first(where: FileManager.default.isExecutableFile)
  else { throw RunError(description: "no program '\(name)' in PATH (\(path))") }
  return found
}
