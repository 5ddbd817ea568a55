import Glibc

/// A regular file that can be read at any offset.
package final class DataFile {
  package let path: String
  package let byteCount: Int
  private let descriptor: Int32

  /// - Parameters:
  ///   - format: the expected format, for messages, such as "an NPY file".
  ///   - missing: the status where the file cannot be opened.
  ///   - openRemedy: what to do where the file cannot be opened.
  ///   - contentRemedy: what to do where the file is empty or no regular file; nil: give another.
  /// - Throws: `missing`; `badData` where the file is empty or no regular file.
  package init(
    path: String, format: String, missing: Failure.Status = .inputMissing,
    openRemedy: String = "check the path and its permissions", contentRemedy: String? = nil
  ) throws {
    self.path = path
    // O_NONBLOCK: without it, opening a pipe that has no writer would block forever.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw systemFailure(missing, "cannot open \(path)", remedy: openRemedy)
    }
    var status = stat()
    fstat(descriptor, &status)
    byteCount = Int(status.st_size)
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "not a regular file"
      throw Failure(
        .badData, "\(path) is \(kind), where \(format) is expected",
        remedy: contentRemedy ?? "give another path")
    }
    guard byteCount == 0 else { return }
    // A file of the system may have bytes although its size is 0.
    var byte: UInt8 = 0
    guard try read(1, at: 0, into: &byte) > 0 else {
      throw Failure(.badData, "\(path) is empty", remedy: contentRemedy ?? "give \(format)")
    }
  }

  deinit { close(descriptor) }

  /// Copies the `count` bytes at `offset` to `target`.
  /// - Returns: `count`, or fewer where the file ends before.
  /// - Throws: `ioError`.
  package func read(
    _ count: Int, at offset: Int, into target: UnsafeMutableRawPointer
  ) throws -> Int {
    var done = 0
    while done < count {
      let piece = pread(descriptor, target + done, count - done, offset + done)
      Progress.note()
      if piece > 0 {
        done += piece
      } else if piece == 0 {
        break
      } else if errno != EINTR {
        throw systemFailure(.ioError, "\(path): reading failed at byte \(offset + done)")
      }
    }
    return done
  }

  /// The `count` bytes at `offset`, or fewer where the file ends before.
  /// - Throws: `ioError`.
  package func bytes(_ count: Int, at offset: Int) throws -> [UInt8] {
    let available = max(0, min(count, byteCount - offset))
    var bytes = [UInt8](repeating: 0, count: available)
    let got = try bytes.withUnsafeMutableBytes {
      available == 0 ? 0 : try read(available, at: offset, into: $0.baseAddress!)
    }
    bytes.removeLast(available - got)
    return bytes
  }
}
