import Glibc
import System

/// The file metrics.jsonl. Only root's main thread writes it.
///
/// If the disk is full for some time, as during a save, lines wait in memory. So neither the run
/// nor a line is lost.
final class MetricsFile {
  private let path: String
  private let descriptor: Int32
  /// Bytes that are not written yet, because the disk was full.
  private var pending: [UInt8] = []
  /// Whether the disk was full at the last write.
  private var isFull = false
  /// The run fails if more bytes than this are pending: about a million lines.
  private static let maxPendingByteCount = 1 << 27

  /// Opens or creates the file. Removes an incomplete line at its end, which a crash may have left.
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

  /// Appends a line in one write, so that a reader never sees an incomplete line.
  /// - Throws: `Failure(.ioError)`; if the disk is full, only when too many lines are pending.
  func append(_ line: JSONLine) throws {
    let hadRoom = pending.isEmpty
    pending += line.text.utf8
    do {
      try flush()
    } catch let failure as Failure {
      guard isFull, pending.count < MetricsFile.maxPendingByteCount else { throw failure }
      if hadRoom { Warnings.report("\(failure.message); lines wait until there is room") }
    }
  }

  /// Writes the pending lines.
  /// - Throws: `Failure(.ioError)`.
  func flush() throws {
    var written = 0
    defer { pending.removeFirst(written) }
    while written < pending.count {
      let count = pending.withUnsafeBytes {
        write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      if count < 0 && errno == EINTR { continue }
      isFull = count < 0 && [ENOSPC, EDQUOT, EFBIG].contains(errno)
      guard count >= 0 else { throw systemFailure(.ioError, "cannot write \(path)") }
      written += count
    }
  }
}
