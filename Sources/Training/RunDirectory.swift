import Foundation
import Glibc
import TensorCore

/// The directory a run lives in; root's alone. Locked while it is open.
public final class RunDirectory {
  public let path: String
  private let lock: Int32
  private let metrics: Int32

  public var recipePath: String { path + "/recipe.yaml" }
  public var checkpointsPath: String { path + "/checkpoints" }

  /// Whether `path` holds a run.
  public static func holdsRun(_ path: String) -> Bool {
    access(path + "/recipe.yaml", F_OK) == 0
  }

  /// Refuses a directory that a new run must not touch, before anything is loaded or made.
  /// - Throws: `Failure(.cannotCreate)`.
  public static func check(_ path: String, resume: Bool) throws {
    if holdsRun(path) {
      if resume { return }
      throw Failure(
        .cannotCreate, "\(path) already holds a run",
        remedy: "add --resume to go on with it, or name another directory with --run DIR")
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw systemFailure(.cannotCreate, "cannot use \(path) as run directory")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw Failure(
        .cannotCreate, "\(path) is not a directory", remedy: "name another with --run DIR")
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw systemFailure(.cannotCreate, "cannot read \(path)")
    }
    // The recipe is written last: what is there before it is of a run that never began.
    guard
      names.allSatisfy(["run.lock", "checkpoints", "metrics.jsonl", "recipe.yaml.tmp"].contains)
    else {
      throw Failure(
        .cannotCreate, "\(path) is not empty and holds no run",
        remedy: "name an empty or a new directory with --run DIR")
    }
  }

  /// Makes the directory if need be, and locks it.
  /// - Throws: `Failure(.cannotCreate)`: it cannot be made or written, another process has it, or
  ///   `check` refuses it, which is asked again under the lock: another run may just have ended.
  public init(opening path: String, resume: Bool) throws {
    self.path = path
    do {
      try FileManager.default.createDirectory(
        atPath: path + "/checkpoints", withIntermediateDirectories: true)
    } catch {
      throw Failure(
        .cannotCreate, "cannot make \(path)/checkpoints: \(reason(error))",
        remedy: "name a directory you can write with --run DIR")
    }
    let lockPath = path + "/run.lock"
    let metricsPath = path + "/metrics.jsonl"
    let lock = open(lockPath, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard lock >= 0 else { throw systemFailure(.cannotCreate, "cannot open \(lockPath)") }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      let holder = (try? readText(lockPath))?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
      throw Failure(
        .cannotCreate, "\(path) is in use by another run (\(holder))",
        remedy: "wait for it or stop it, or name another directory with --run DIR")
    }
    do {
      try RunDirectory.check(path, resume: resume)
    } catch {
      close(lock)
      throw error
    }
    let metrics = open(metricsPath, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard metrics >= 0 else {
      close(lock)
      throw systemFailure(.cannotCreate, "cannot open \(metricsPath)")
    }
    let holder = Array("pid \(getpid()) on host \(ProcessInfo.processInfo.hostName)\n".utf8)
    ftruncate(lock, 0)
    _ = holder.withUnsafeBytes { pwrite(lock, $0.baseAddress, $0.count, 0) }
    (self.lock, self.metrics) = (lock, metrics)
  }

  deinit {
    close(metrics)
    close(lock)
  }

  /// Appends a line to metrics.jsonl, in one write, so that a reader never sees half of one.
  package func append(_ line: JSONLine) throws {
    try Array(line.text.utf8).withUnsafeBytes {
      try writeAll($0, to: metrics, path: path + "/metrics.jsonl")
    }
  }
}

/// What a Foundation error says, without its wrapping.
private func reason(_ error: any Error) -> String {
  let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
  return underlying.map { String(cString: strerror(Int32(($0 as NSError).code))) }
    ?? error.localizedDescription
}
