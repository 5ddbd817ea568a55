import Glibc

/// How many bytes a file has and what they are.
public struct FileDigest: Codable, Equatable, Sendable {
  public let bytes: Int
  public let sha256: String

  package init(bytes: Int, sha256: String) { (self.bytes, self.sha256) = (bytes, sha256) }
}

/// A file being written for good: every write is checked, and it is on the disk when `close`
/// returns.
package final class DurableFile {
  private let path: String
  private let status: Failure.Status
  private var descriptor: Int32
  private var hash = SHA256()
  private var byteCount = 0

  /// Makes the file, which must not exist; a symbolic link in its place is not followed.
  /// - Parameter status: of what goes wrong with it.
  package init(creating path: String, status: Failure.Status = .ioError) throws {
    (self.path, self.status) = (path, status)
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw systemFailure(status, "cannot create \(path)") }
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    try writeAll(bytes, to: descriptor, path: path, status: status)
    hash.update(bytes)
    byteCount += bytes.count
  }

  /// Waits until the disk has it. A failed fsync is never tried again: the kernel may have dropped
  /// the pages it could not write.
  package func close() throws -> FileDigest {
    guard fsync(descriptor) == 0 else { throw systemFailure(status, "cannot sync \(path)") }
    let isClosed = Glibc.close(descriptor) == 0
    descriptor = -1
    guard isClosed else { throw systemFailure(status, "cannot close \(path)") }
    let digest = exchange(&hash, with: SHA256()).finish()
    return FileDigest(bytes: byteCount, sha256: digest)
  }

  /// Writes a whole small file.
  package static func write(
    _ text: String, to path: String, status: Failure.Status = .ioError
  ) throws -> FileDigest {
    let file = try DurableFile(creating: path, status: status)
    try Array(text.utf8).withUnsafeBytes { try file.write($0) }
    return try file.close()
  }

  /// Replaces `path` by a file with `text`: whole or not at all.
  /// - Parameter status: of what goes wrong.
  package static func replace(
    _ path: String, with text: String, status: Failure.Status = .ioError
  ) throws {
    let temporary = path + ".tmp"
    unlink(temporary)
    do {
      _ = try write(text, to: temporary, status: status)
      guard rename(temporary, path) == 0 else {
        throw systemFailure(status, "cannot rename \(temporary) to \(path)")
      }
    } catch {
      unlink(temporary)
      throw error
    }
    do {
      try syncDirectory(parent(of: path))
    } catch let failure as Failure {
      Warnings.report("durability of \(path) uncertain: \(failure.message)")
    }
  }
}

private func exchange(_ value: inout SHA256, with other: consuming SHA256) -> SHA256 {
  let before = value
  value = other
  return before
}

/// Writes all of `bytes`, however many calls it takes.
package func writeAll(
  _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String,
  status: Failure.Status = .ioError
) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let written = Glibc.write(
      descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
    if written < 0 && errno == EINTR { continue }
    guard written >= 0 else { throw systemFailure(status, "cannot write \(path)") }
    rest = rest.dropFirst(written)
    Progress.note()
  }
}

/// Makes a directory's entries (a rename, a new file) durable.
package func syncDirectory(_ path: String) throws {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw systemFailure(.ioError, "cannot open \(path)") }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 else { throw systemFailure(.ioError, "cannot sync \(path)") }
}

/// Makes a directory, and those above it that are missing.
/// - Throws: `Failure(.cannotCreate)` naming `path`.
package func makeDirectories(_ path: String) throws {
  func make(_ path: String) -> Bool {
    if mkdir(path, 0o777) != 0 {
      if errno == EEXIST { return true }
      guard errno == ENOENT, parent(of: path) != path, make(parent(of: path)),
        mkdir(path, 0o777) == 0 || errno == EEXIST
      else { return false }
    }
    // Not every file system can, and not every parent may be read.
    try? syncDirectory(parent(of: path))
    return true
  }
  guard make(path) else {
    throw systemFailure(
      .cannotCreate, "cannot make \(path)", remedy: "name a directory you can write with --run DIR")
  }
}

/// The directory that holds `path`'s last component.
package func parent(of path: String) -> String {
  var rest = path[...]
  while rest.count > 1 && rest.hasSuffix("/") { rest = rest.dropLast() }
  guard let slash = rest.lastIndex(of: "/") else { return "." }
  return slash == rest.startIndex ? "/" : String(rest[..<slash])
}

/// What is at `path` itself, a symbolic link not followed; nil where nothing is.
package func fileType(_ path: String) -> mode_t? {
  var status = stat()
  return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
}

/// A whole small text file, or what a pipe gives.
/// - Parameters:
///   - missing: the status where it cannot be opened.
///   - invalid: the status where it is no text in UTF-8, or too long for one that people write.
package func readText(
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
package func systemFailure(_ status: Failure.Status, _ what: String, remedy: String = "") -> Failure {
  Failure(status, "\(what): \(String(cString: strerror(errno)))", remedy: remedy)
}
