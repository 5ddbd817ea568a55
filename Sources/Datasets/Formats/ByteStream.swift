import CZlib
import Glibc
import System
import Tensors

/// The bytes of a file from front to back, unzipped on the way if the file is gzipped (which its
/// first two bytes say, not its name).
///
/// Memory: the three buffers below, whatever the file's size. It drives `inflate` itself, because
/// gzread takes whatever follows the gzip data for padding and is silent about it.
final class ByteStream {
  static let inputCapacity = 256 << 10
  static let outputCapacity = 128 << 10
  /// Deflate never packs tighter than this (zlib's technical notes: 258 bytes in 2 bits).
  static let maximumInflation = 1032

  let path: String
  /// The file's own size.
  let fileByteCount: Int
  private(set) var isCompressed = false
  /// Bytes handed out, counted after unzipping.
  private(set) var position = 0

  /// Of the bytes so far, also of those still to be handed out; at the end of all, unzipped.
  private(set) var hash = ContentHash()

  private let descriptor: Int32
  private let input: UnsafeMutableRawPointer
  private var inputEnd = 0  // offset in the file of the first byte not yet read from it
  private var ready = UnsafeRawBufferPointer(start: nil, count: 0)  // next, in `input` or `output`

  // Gzipped files only. zlib keeps the stream's address, hence not a stored struct.
  private let output: UnsafeMutableRawPointer
  private let zlib: UnsafeMutablePointer<z_stream>
  private var memberEnded = false

  /// - Throws: `inputMissing` where the file cannot be opened, `badData` where it is empty or no
  ///   file, `ioError` where it cannot be read.
  init(path: String) throws {
    self.path = path
    // O_NONBLOCK: to open a pipe nobody writes to would wait for ever.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw Failure(
        .inputMissing, "cannot open \(path): \(String(cString: strerror(errno)))",
        remedy: "check the path and its permissions, or give another folder with --data")
    }
    var status = stat()
    fstat(descriptor, &status)
    fileByteCount = Int(status.st_size)
    input = .allocate(byteCount: ByteStream.inputCapacity, alignment: 64)
    output = .allocate(byteCount: ByteStream.outputCapacity, alignment: 64)
    zlib = .allocate(capacity: 1)
    zlib.initialize(to: z_stream())

    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "not a regular file"
      throw damage("\(path) is \(kind), where an IDX file is expected")
    }
    let count = try readInput()
    if count == 0 { throw damage("\(path) is empty") }
    ready = UnsafeRawBufferPointer(start: input, count: count)
    if count >= 2 && ready[0] == 0x1f && ready[1] == 0x8b { try startInflating(count) }
    hash.update(ready)
  }

  deinit {
    inflateEnd(zlib)  // harmless where it was never begun
    zlib.deallocate()
    output.deallocate()
    input.deallocate()
    close(descriptor)
  }

  /// Copies the next `count` bytes to `target`, or drops them where that is nil.
  /// - Returns: `count`, or fewer where the stream ends before.
  func read(_ count: Int, into target: UnsafeMutableRawPointer?) throws -> Int {
    var done = 0
    while done < count {
      if ready.isEmpty {
        try refill()
        if ready.isEmpty { break }
      }
      let piece = min(count - done, ready.count)
      if let target { (target + done).copyMemory(from: ready.baseAddress!, byteCount: piece) }
      ready = UnsafeRawBufferPointer(rebasing: ready.dropFirst(piece))
      position += piece
      done += piece
    }
    return done
  }

  /// An offset as messages give it: in a gzipped file, that of the unzipped data.
  func place(_ offset: Int) -> String {
    isCompressed ? "byte \(offset) of the uncompressed data" : "byte \(offset)"
  }
}

// MARK: - Refilling

extension ByteStream {
  /// Makes `ready` the next piece of the stream; leaves it empty at the end.
  private func refill() throws {
    defer { hash.update(ready) }
    if !isCompressed {
      ready = UnsafeRawBufferPointer(start: input, count: try readInput())
      return
    }
    zlib.pointee.next_out = output.assumingMemoryBound(to: UInt8.self)
    zlib.pointee.avail_out = UInt32(ByteStream.outputCapacity)
    while zlib.pointee.avail_out > 0 {
      if zlib.pointee.avail_in == 0 {
        giveZlib(try readInput())
        if zlib.pointee.avail_in == 0 {
          if memberEnded { break }
          throw damage("\(path): the gzip data are cut short at byte \(inputEnd), \(progress)")
        }
      }
      if memberEnded { try startNextMember() }
      let code = inflate(zlib, Z_NO_FLUSH)
      if code == Z_STREAM_END {
        memberEnded = true
      } else if code != Z_OK {
        let reason = zlib.pointee.msg.map { String(cString: $0) } ?? "zlib error \(code)"
        throw damage(
          "\(path): the gzip data are damaged near byte \(inputOffset) (\(reason)), \(progress)")
      }
    }
    ready = UnsafeRawBufferPointer(start: output, count: inflatedCount)
  }

  private func startInflating(_ count: Int) throws {
    let gzipOnly: Int32 = 16
    let code = inflateInit2_(
      zlib, MAX_WBITS + gzipOnly, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else {
      throw Failure(.ioError, "\(path): zlib cannot start (error \(code))")
    }
    isCompressed = true
    giveZlib(count)
    ready = UnsafeRawBufferPointer(start: output, count: 0)
  }

  /// Gzip data may follow gzip data (RFC 1952, 2.2); nothing else may.
  private func startNextMember() throws {
    guard zlib.pointee.next_in.pointee == 0x1f else {
      throw damage(
        "\(path): the gzip data end at byte \(inputOffset), but the file goes on to byte "
          + "\(fileByteCount)")
    }
    inflateReset(zlib)
    memberEnded = false
  }

  private func giveZlib(_ count: Int) {
    zlib.pointee.next_in = input.assumingMemoryBound(to: UInt8.self)
    zlib.pointee.avail_in = UInt32(count)
  }

  /// Fills `input` from the file; returns how many bytes came, 0 at its end.
  private func readInput() throws -> Int {
    while true {
      let count = Glibc.read(descriptor, input, ByteStream.inputCapacity)
      if count >= 0 {
        Progress.note()
        inputEnd += count
        return count
      }
      if errno == EINTR { continue }
      let reason = String(cString: strerror(errno))
      throw Failure(.ioError, "\(path): reading failed at byte \(inputEnd): \(reason)")
    }
  }

  /// Offset in the file of the first byte zlib has not used.
  private var inputOffset: Int { inputEnd - Int(zlib.pointee.avail_in) }

  /// Bytes zlib has put into `output`.
  private var inflatedCount: Int { ByteStream.outputCapacity - Int(zlib.pointee.avail_out) }

  private var progress: String { "after \(position + inflatedCount) uncompressed bytes" }
}

/// A fault of a data file; the advice is the same for all.
func damage(_ message: String) -> Failure {
  Failure(.badData, message, remedy: "fetch the file again, or give another folder with --data")
}
