import Glibc
import System

/// metrics.jsonl, whose one writer is root's main thread.
///
/// A disk that is full for a while, as during a save, costs no run and no line: lines wait in memory.
final class MetricsFile {
  private let path: String
  private let descriptor: Int32
  /// What the disk had no room for.
  private var waiting: [UInt8] = []
  /// Whether it had none at the last write.
  private var isFull = false
  /// With more a run ends: a million lines or so.
  private static let maxWaitingByteCount = 1 << 27

  /// Opens or makes the file. The half line that a crash may have left at its end is cut off.
  /// - Throws: `Failure(.cannotCreate)`.
  init(opening path: String) throws {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw systemFailure(.cannotCreate, "cannot open \(path)") }
    var end = lseek(descriptor, 0, SEEK_END)
    let size = end
    var byte: UInt8 = 0
    while end > 0, pread(descriptor, &byte, 1, end - 1) == 1, byte != UInt8(ascii: "\n") {
      end -= 1
    }
    if end < size { ftruncate(descriptor, end) }
  }

  deinit { close(descriptor) }

  /// Appends a line, in one write, so that a reader never sees half of one.
  /// - Throws: `Failure(.ioError)`; not for a full disk, until too many lines wait.
  func append(_ line: JSONLine) throws {
    let hadRoom = waiting.isEmpty
    waiting += line.text.utf8
    do {
      try flush()
    } catch let failure as Failure {
      guard isFull, waiting.count < MetricsFile.maxWaitingByteCount else { throw failure }
      if hadRoom { Warnings.report("\(failure.message); lines wait until there is room") }
    }
  }

  /// Writes what waits.
  /// - Throws: `Failure(.ioError)`.
  func flush() throws {
    var written = 0
    defer { waiting.removeFirst(written) }
    while written < waiting.count {
      let count = waiting.withUnsafeBytes {
        write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      if count < 0 && errno == EINTR { continue }
      isFull = count < 0 && [ENOSPC, EDQUOT, EFBIG].contains(errno)
      guard count >= 0 else { throw systemFailure(.ioError, "cannot write \(path)") }
      written += count
    }
  }
}
