import CSystem
import Glibc

/// A file that exists only in memory and can be passed to another program by its path. It
/// disappears when this object is freed or the process ends, also after a crash.
package final class MemoryFile: Sendable {
  private let descriptor: Int32

  /// - Throws: `Failure(.ioError)` if the system has no memory for it.
  package init(_ bytes: [UInt8] = []) throws {
    descriptor = nd_memory_file()
    guard descriptor >= 0 else { throw MemoryFile.failure("made") }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(descriptor, $0.baseAddress! + done, $0.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw MemoryFile.failure("written") }
      done += count
    }
  }

  deinit { close(descriptor) }

  /// A path that is valid in this process and in a program that it starts.
  package var path: String { "/proc/self/fd/\(descriptor)" }

  /// Reads the whole file.
  /// - Throws: `Failure(.ioError)`.
  package func contents() throws -> [UInt8] {
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = pread(descriptor, &block, block.count, bytes.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw MemoryFile.failure("read") }
      if count == 0 { return bytes }
      bytes += block[..<count]
    }
  }

  private static func failure(_ what: String) -> Failure {
    Failure(.ioError, "a file in memory cannot be \(what): \(String(cString: strerror(errno)))")
  }
}
