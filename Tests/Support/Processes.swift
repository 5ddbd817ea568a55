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
}

/// The path of this package's executable `name`, built beside the tests.
public func builtProduct(_ name: String) -> String {
  URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appendingPathComponent(name).path
}

/// Runs a program and returns when it has ended; stdin is empty.
/// - Parameters:
///   - arguments: the program, by path or by its name in PATH, and its arguments.
///   - environment: added to this process's own.
///   - deadlineSeconds: after it the program is killed and RunError thrown.
/// - Throws: RunError when there is no such program or it took too long.
public func run(
  _ arguments: [String], environment: [String: String] = [:], deadlineSeconds: Int = 60
) throws -> Outcome {
  // Files, not pipes: a grandchild that outlives the program cannot hold up the reading.
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("nndist-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  let paths = ["stdout", "stderr"].map { folder.appendingPathComponent($0) }
  for path in paths { try Data().write(to: path) }

  let process = Process()
  process.executableURL = try executable(arguments[0])
  process.arguments = Array(arguments.dropFirst())
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  process.standardInput = FileHandle.nullDevice
  process.standardOutput = try FileHandle(forWritingTo: paths[0])
  process.standardError = try FileHandle(forWritingTo: paths[1])
  let ended = DispatchSemaphore(value: 0)
  process.terminationHandler = { _ in ended.signal() }
  try process.run()
  let inTime = ended.wait(timeout: .now() + .seconds(deadlineSeconds)) == .success
  if !inTime {
    kill(process.processIdentifier, SIGKILL)
    ended.wait()
  }

  let outcome = Outcome(
    status: process.terminationReason == .exit
      ? process.terminationStatus : 128 + process.terminationStatus,
    stdout: String(decoding: try Data(contentsOf: paths[0]), as: UTF8.self),
    stderr: String(decoding: try Data(contentsOf: paths[1]), as: UTF8.self))
  guard inTime else {
    let command = arguments.joined(separator: " ")
    throw RunError(description: "'\(command)' was killed after \(deadlineSeconds) s: \(outcome)")
  }
  return outcome
}

/// One job at a time: the jobs of tests that run side by side would slow each other on few cores.
private let oneJob = Mutex(())

/// Runs `arguments` on `ranks` ranks, more than there are cores if need be.
/// - Throws: RunError, also where mpirun is not installed.
public func mpirun(
  ranks: Int, _ arguments: [String], environment: [String: String] = [:], deadlineSeconds: Int = 60
) throws -> Outcome {
  var environment = environment
  environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
  environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
  return try oneJob.withLock { _ in
    try run(
      ["mpirun", "--oversubscribe", "-n", "\(ranks)"] + arguments, environment: environment,
      deadlineSeconds: deadlineSeconds)
  }
}

private func executable(_ name: String) throws -> URL {
  let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
  let folders = name.contains("/") ? [""] : path.split(separator: ":").map { $0 + "/" }
  guard let found = folders.map({ $0 + name }).first(where: FileManager.default.isExecutableFile)
  else { throw RunError(description: "no program '\(name)' in PATH (\(path))") }
  return URL(fileURLWithPath: found)
}
