import Glibc
import TensorCore

/// How many bytes a file has and what they are.
public struct FileDigest: Codable, Equatable, Sendable {
  public let bytes: Int
  public let sha256: String
}

/// A file being written for good: every write is checked, and it is on the disk when `close`
/// returns.
package final class DurableFile {
  private let path: String
  private var descriptor: Int32
  private var hash = SHA256()
  private var byteCount = 0

  /// Makes the file, which must not exist; a symbolic link in its place is not followed.
  init(creating path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw systemFailure(.ioError, "cannot create \(path)") }
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    try writeAll(bytes, to: descriptor, path: path)
    hash.update(bytes)
    byteCount += bytes.count
  }

  /// Waits until the disk has it. A failed fsync is never tried again: the kernel may have dropped
  /// the pages it could not write.
  func close() throws -> FileDigest {
    guard fsync(descriptor) == 0 else { throw systemFailure(.ioError, "cannot sync \(path)") }
    let status = Glibc.close(descriptor)
    descriptor = -1
    guard status == 0 else { throw systemFailure(.ioError, "cannot close \(path)") }
    let digest = exchange(&hash, with: SHA256()).finish()
    return FileDigest(bytes: byteCount, sha256: digest)
  }

  /// Writes a whole small file.
  static func write(_ text: String, to path: String) throws -> FileDigest {
    let file = try DurableFile(creating: path)
    try Array(text.utf8).withUnsafeBytes { try file.write($0) }
    return try file.close()
  }

  /// Replaces `path` by a file with `text`: whole or not at all.
  package static func replace(_ path: String, with text: String) throws {
    let temporary = path + ".tmp"
    unlink(temporary)
    _ = try write(text, to: temporary)
    guard rename(temporary, path) == 0 else {
      throw systemFailure(.ioError, "cannot rename \(temporary) to \(path)")
    }
  }
}

private func exchange(_ value: inout SHA256, with other: consuming SHA256) -> SHA256 {
  let before = value
  value = other
  return before
}

/// Writes all of `bytes`, however many calls it takes.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let written = Glibc.write(
      descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
    if written < 0 && errno == EINTR { continue }
    guard written >= 0 else { throw systemFailure(.ioError, "cannot write \(path)") }
    rest = rest.dropFirst(written)
  }
}

/// Makes a directory's entries (a rename, a new file) durable.
func syncDirectory(_ path: String) throws {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw systemFailure(.ioError, "cannot open \(path)") }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 else { throw systemFailure(.ioError, "cannot sync \(path)") }
}

/// A whole small text file, or what a pipe gives.
/// - Parameters:
///   - missing: the status where it cannot be opened.
///   - invalid: the status where it is no text in UTF-8, or too long for one that people write.
public func readText(
  _ path: String, missing: Failure.Status = .inputMissing, invalid: Failure.Status = .badData
) throws -> String {
  let maximumByteCount = 4 << 20
  guard let file = fopen(path, "re") else { throw systemFailure(missing, "cannot open \(path)") }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = fread(&chunk, 1, chunk.count, file)
    bytes += chunk[..<count]
    guard bytes.count <= maximumByteCount else {
      throw Failure(
        invalid, "\(path) is longer than the \(maximumByteCount) bytes that are read of a text",
        remedy: "check that it is the file that was meant")
    }
    if count < chunk.count { break }
  }
  guard ferror(file) == 0 else { throw systemFailure(.ioError, "cannot read \(path)") }
  guard let text = String(validating: bytes, as: UTF8.self) else {
    let line =
      1
      + String(decoding: bytes, as: UTF8.self).prefix { $0 != "\u{fffd}" }
      .count { $0.isNewline }
    throw Failure(invalid, "\(path):\(line): this is not UTF-8 text", remedy: "save it as UTF-8")
  }
  return text
}

/// A failure with what the system says of `errno`.
func systemFailure(_ status: Failure.Status, _ what: String, remedy: String = "") -> Failure {
  Failure(status, "\(what): \(String(cString: strerror(errno)))", remedy: remedy)
}
