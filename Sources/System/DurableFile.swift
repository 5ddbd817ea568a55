import Glibc

/// The size and the SHA-256 digest of a file.
package struct FileDigest: Codable, Equatable, Sendable {
  package let bytes: Int
  package let sha256: String

  package init(bytes: Int, sha256: String) { (self.bytes, self.sha256) = (bytes, sha256) }
}

/// A new file that is written durably: every write is checked, and the data is on the disk when
/// `close` returns.
package final class DurableFile {
  private let path: String
  private let status: Failure.Status
  private var descriptor: Int32
  private var hash = SHA256()
  private var byteCount = 0

  /// Creates the file, which must not exist yet. A symbolic link at `path` is not followed.
  /// - Parameter status: the status of every failure this object throws.
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

  /// Waits until the data is on the disk, and closes the file. A failed fsync is never repeated:
  /// the kernel may have dropped the pages that it could not write.
  package func close() throws -> FileDigest {
    guard fsync(descriptor) == 0 else { throw systemFailure(status, "cannot sync \(path)") }
    let isClosed = Glibc.close(descriptor) == 0
    descriptor = -1
    guard isClosed else { throw systemFailure(status, "cannot close \(path)") }
    let digest = exchange(&hash, with: SHA256()).finish()
    return FileDigest(bytes: byteCount, sha256: digest)
  }

  /// Creates a small file with `text` as its contents.
  package static func write(
    _ text: String, to path: String, status: Failure.Status = .ioError
  ) throws -> FileDigest {
    let file = try DurableFile(creating: path, status: status)
    try Array(text.utf8).withUnsafeBytes { try file.write($0) }
    return try file.close()
  }

  /// Replaces `path` atomically by a file that contains `text`.
  /// - Parameter status: the status of every failure thrown.
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

/// Writes all of `bytes`, with as many calls of write(2) as needed.
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

/// Creates a directory and its missing parent directories.
/// - Throws: `Failure(.cannotCreate)` naming `path`.
package func makeDirectories(_ path: String) throws {
  func make(_ path: String) -> Bool {
    if mkdir(path, 0o777) != 0 {
      if errno == EEXIST { return true }
      guard errno == ENOENT, parent(of: path) != path, make(parent(of: path)),
        mkdir(path, 0o777) == 0 || errno == EEXIST
      else { return false }
    }
    // Best effort: some file systems cannot sync a directory, and some parents cannot be opened.
    try? syncDirectory(parent(of: path))
    return true
  }
  guard make(path) else {
    throw systemFailure(
      .cannotCreate, "cannot make \(path)", remedy: "name a directory you can write with --run DIR")
  }
}

/// The path of the parent directory, without the last component of `path`.
package func parent(of path: String) -> String {
  var rest = path[...]
  while rest.count > 1 && rest.hasSuffix("/") { rest = rest.dropLast() }
  guard let slash = rest.lastIndex(of: "/") else { return "." }
  return slash == rest.startIndex ? "/" : String(rest[..<slash])
}

/// The type of the file at `path` (the S_IFMT bits), without following a symbolic link; nil if
/// nothing is there.
package func fileType(_ path: String) -> mode_t? {
  var status = stat()
  return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
}

/// Reads a whole small text file, or everything from a pipe.
/// - Parameters:
///   - missing: the status if the file cannot be opened.
///   - invalid: the status if the contents are not UTF-8, or longer than the limit for text files.
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

/// A failure whose message ends with the system's text for `errno`.
package func systemFailure(_ status: Failure.Status, _ what: String, remedy: String = "") -> Failure
{
  Failure(status, "\(what): \(String(cString: strerror(errno)))", remedy: remedy)
}
