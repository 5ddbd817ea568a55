import Foundation
import Glibc
import System

/// The directory of a run. Used on root only; locked while it is open.
package final class RunDirectory {
  package let path: String
  private let lock: Int32
  private let metrics: MetricsFile

  package var recipePath: String { path + "/recipe.yaml" }
  package var checkpointsPath: String { path + "/checkpoints" }

  /// Whether `path` holds a run.
  package static func holdsRun(_ path: String) -> Bool {
    access(path + "/recipe.yaml", F_OK) == 0
  }

  /// Checks that the run may use the directory, before anything is loaded or created.
  /// - Throws: `Failure(.cannotCreate)`.
  package static func check(_ path: String, resume: Bool) throws {
    try check(path, resume: resume, hasLock: false)
  }

  private static func check(_ path: String, resume: Bool, hasLock: Bool) throws {
    try refuseForeignEntries(path)
    if holdsRun(path) {
      if resume { return }
      if !hasLock && isInUse(path) { throw inUse(path) }
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
    // The recipe is written last, so files without a recipe are from a run that never started.
    guard
      names.allSatisfy(["run.lock", "checkpoints", "metrics.jsonl", "recipe.yaml.tmp"].contains)
    else {
      throw Failure(
        .cannotCreate, "\(path) is not empty and holds no run",
        remedy: "name an empty or a new directory with --run DIR")
    }
  }

  /// Fails if an entry is a symbolic link, or is not of the type that a run creates.
  private static func refuseForeignEntries(_ path: String) throws {
    for (name, expected, kind) in [
      ("run.lock", S_IFREG, "regular file"), ("metrics.jsonl", S_IFREG, "regular file"),
      ("recipe.yaml", S_IFREG, "regular file"), ("recipe.yaml.tmp", S_IFREG, "regular file"),
      ("checkpoints", S_IFDIR, "directory"),
    ] {
      guard let type = fileType(path + "/" + name), type != expected else { continue }
      throw Failure(
        .cannotCreate,
        "\(path)/\(name) is \(type == S_IFLNK ? "a symbolic link" : "not a \(kind)")",
        remedy: "remove it, or name another directory with --run DIR")
    }
  }

  /// Whether another process holds the lock now.
  private static func isInUse(_ path: String) -> Bool {
    let lock = open(path + "/run.lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard lock >= 0 else { return false }
    defer { close(lock) }
    return flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  private static func inUse(_ path: String) -> Failure {
    let text = try? readText(path + "/run.lock")
    let holder = text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    return Failure(
      .cannotCreate, "\(path) is in use by another run (\(holder))",
      remedy: "wait for it or stop it, or name another directory with --run DIR")
  }

  /// Creates the directory if it does not exist, locks it, and removes what a save left behind in a
  /// crash.
  /// - Throws: `Failure(.cannotCreate)` if the directory cannot be created or written, if another
  ///   process uses it, or if `check` fails. `check` is repeated under the lock, because another
  ///   run may have just ended.
  package init(opening path: String, resume: Bool) throws {
    self.path = path
    try makeDirectories(path + "/checkpoints")
    let lockPath = path + "/run.lock"
    let lock = open(lockPath, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard lock >= 0 else { throw systemFailure(.cannotCreate, "cannot open \(lockPath)") }
    do {
      guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
        throw errno == EWOULDBLOCK
          ? RunDirectory.inUse(path) : systemFailure(.cannotCreate, "cannot lock \(lockPath)")
      }
      try RunDirectory.check(path, resume: resume, hasLock: true)
      let holder = Array("pid \(getpid()) on host \(ProcessInfo.processInfo.hostName)\n".utf8)
      ftruncate(lock, 0)
      _ = holder.withUnsafeBytes { pwrite(lock, $0.baseAddress, $0.count, 0) }
      try Checkpoint.prepare(path + "/checkpoints")
      metrics = try MetricsFile(opening: path + "/metrics.jsonl")
      self.lock = lock
    } catch {
      close(lock)
      throw error
    }
  }

  deinit { close(lock) }

  /// Appends a line to metrics.jsonl in one write, so that a reader never sees an incomplete line.
  /// - Throws: `Failure(.ioError)`. If the disk is full, the line waits in memory for the next
  ///   write, with a warning.
  package func append(_ line: JSONLine) throws { try metrics.append(line) }

  /// Writes the lines that are pending because the disk was full.
  /// - Throws: `Failure(.ioError)` if the disk is still full.
  package func flush() throws { try metrics.flush() }
}
