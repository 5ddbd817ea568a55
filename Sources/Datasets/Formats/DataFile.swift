import Glibc
import System

/// A regular file, read at any place.
package final class DataFile {
  package let path: String
  package let byteCount: Int
  private let descriptor: Int32

  /// - Parameters:
  ///   - format: what is expected, for messages, such as "an NPY file".
  ///   - missing: the status where the file cannot be opened.
  /// - Throws: `missing`; `badData` where it is empty or no file.
  package init(path: String, format: String, missing: Failure.Status = .inputMissing) throws {
    self.path = path
    // O_NONBLOCK: to open a pipe nobody writes to would wait for ever.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw Failure(
        missing, "cannot open \(path): \(String(cString: strerror(errno)))",
        remedy: "check the path and its permissions")
    }
    var status = stat()
    fstat(descriptor, &status)
    byteCount = Int(status.st_size)
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "not a regular file"
      throw Failure(
        .badData, "\(path) is \(kind), where \(format) is expected", remedy: "give another path")
    }
    guard byteCount > 0 else {
      throw Failure(.badData, "\(path) is empty", remedy: "give \(format)")
    }
  }

  deinit { close(descriptor) }

  /// Copies the `count` bytes at `offset` to `target`.
  /// - Returns: `count`, or fewer where the file ends before.
  package func read(_ count: Int, at offset: Int, into target: UnsafeMutableRawPointer) throws
    -> Int
  {
    var done = 0
    while done < count {
      let piece = pread(descriptor, target + done, count - done, offset + done)
      Progress.note()
      if piece > 0 {
        done += piece
      } else if piece == 0 {
        break
      } else if errno != EINTR {
        throw Failure(
          .ioError,
          "\(path): reading failed at byte \(offset + done): \(String(cString: strerror(errno)))")
      }
    }
    return done
  }

  /// The `count` bytes at `offset`, or fewer where the file ends before.
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

extension [UInt8] {
  /// A whole number of `count` bytes at `offset`, lowest byte first.
  /// - Precondition: they are there; count <= 7.
  func littleEndian(at offset: Int, _ count: Int) -> Int {
    self[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// The same, highest byte first.
  func bigEndian(at offset: Int, _ count: Int) -> Int {
    self[offset..<offset + count].reduce(0) { $0 << 8 | Int($1) }
  }
}

/// `bytes` as a message shows them: in quotes, on one line, not long.
func shown<Bytes: Collection>(_ bytes: Bytes) -> String where Bytes.Element == UInt8 {
  let text = String(decoding: bytes.prefix(40), as: UTF8.self)
  let visible = String(
    String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || $0 == "\u{7f}" ? "·" : $0 })
  )
  return "\"\(visible)\(bytes.count > 40 ? "…" : "")\""
}

/// A byte as messages show it, such as 0x0a.
func hex(_ byte: UInt8) -> String { (byte < 16 ? "0x0" : "0x") + String(byte, radix: 16) }
