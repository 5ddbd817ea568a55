import CZlib
import System

/// Reads an IDX file from front to back, and decompresses it where it is gzipped, which its first
/// two bytes tell and not its name.
///
/// Memory: two buffers of a fixed size. It calls `inflate` itself, because gzread silently ignores
/// whatever follows the gzip data as padding.
final class ByteStream {
  static let inputCapacity = 256 << 10
  static let outputCapacity = 128 << 10
  /// The maximum ratio of deflate (zlib's technical notes: 258 bytes in 2 bits).
  static let maximumInflation = 1032

  var path: String { file.path }
  /// The size of the file as it is stored.
  var fileByteCount: Int { file.byteCount }
  private(set) var isCompressed = false
  /// Bytes returned or skipped so far, counted after decompression.
  private(set) var position = 0

  /// The hash of the decompressed bytes so far, including those buffered; at the end, of all.
  private(set) var hash = ContentHash()

  private let file: DataFile
  private let input: UnsafeMutableRawPointer
  private var inputEnd = 0  // offset in the file of the first byte not yet read from it
  private var ready = UnsafeRawBufferPointer(start: nil, count: 0)  // next, in `input` or `output`

  // Gzipped files only. A pointer, because zlib keeps the address of the stream.
  private let output: UnsafeMutableRawPointer
  private let zlib: UnsafeMutablePointer<z_stream>
  private var memberEnded = false

  /// - Throws: `inputMissing` where the file cannot be opened, `badData` where it is empty or no
  ///   regular file, `ioError` where it cannot be read.
  init(path: String) throws {
    file = try DataFile(
      path: path, format: "an IDX file",
      openRemedy: "check the path and its permissions, or give another folder with --data",
      contentRemedy: dataFileRemedy)
    input = .allocate(byteCount: ByteStream.inputCapacity, alignment: 64)
    output = .allocate(byteCount: ByteStream.outputCapacity, alignment: 64)
    zlib = .allocate(capacity: 1)
    zlib.initialize(to: z_stream())

    let count = try readInput()
    ready = UnsafeRawBufferPointer(start: input, count: count)
    if count >= 2 && ready[0] == 0x1f && ready[1] == 0x8b { try startInflating(count) }
    hash.update(ready)
  }

  deinit {
    inflateEnd(zlib)  // harmless without inflateInit2
    zlib.deallocate()
    output.deallocate()
    input.deallocate()
  }

  /// Copies the next `count` bytes to `target`, or skips them where it is nil.
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

  /// An offset as messages give it: in a gzipped file, that in the decompressed data.
  func place(_ offset: Int) -> String {
    isCompressed ? "byte \(offset) of the uncompressed data" : "byte \(offset)"
  }
}

// MARK: - Refilling

extension ByteStream {
  /// Sets `ready` to the next piece of the stream; it stays empty at the end.
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

  /// More gzip data may follow gzip data (RFC 1952, 2.2), but nothing else.
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

  /// Fills `input` with the next bytes of the file.
  /// - Returns: how many there are; 0 at the end.
  private func readInput() throws -> Int {
    let count = try file.read(ByteStream.inputCapacity, at: inputEnd, into: input)
    inputEnd += count
    return count
  }

  /// The offset in the file of the first byte that zlib has not consumed.
  private var inputOffset: Int { inputEnd - Int(zlib.pointee.avail_in) }

  /// Bytes that zlib has written to `output`.
  private var inflatedCount: Int { ByteStream.outputCapacity - Int(zlib.pointee.avail_out) }

  private var progress: String { "after \(position + inflatedCount) uncompressed bytes" }
}

private let dataFileRemedy = "fetch the file again, or give another folder with --data"

/// A failure for bad data in an IDX file, all of which have the same remedy.
func damage(_ message: String) -> Failure {
  Failure(.badData, message, remedy: dataFileRemedy)
}
