import CZlib
import System

/// Reads a part of a file from front to back, and decompresses it where it is deflated.
///
/// Memory: two buffers of 128 KiB.
final class DataSection {
  static let capacity = 128 << 10

  /// The name for messages: that of the file, or of the file and the member.
  let name: String
  /// Bytes of the section after decompression.
  let byteCount: Int
  /// Bytes returned or skipped so far.
  private(set) var position = 0

  /// The hash of the decompressed bytes so far, including those buffered.
  private(set) var hash = ContentHash()

  private let file: DataFile
  private var offset: Int  // in the file, of the first byte not yet read
  private let end: Int  // in the file
  private let checksum: UInt32?
  private var runningChecksum: UInt = 0
  let isDeflated: Bool
  private var ready = UnsafeRawBufferPointer(start: nil, count: 0)
  private let stored: UnsafeMutableRawPointer
  // Deflated sections only. A pointer, because zlib keeps the address of the stream.
  private let inflated: UnsafeMutableRawPointer
  private let zlib: UnsafeMutablePointer<z_stream>
  private var streamEnded = false

  /// - Parameters:
  ///   - storedCount: bytes of the section in the file.
  ///   - byteCount: bytes after decompression.
  ///   - checksum: CRC-32 of the decompressed bytes; nil: not checked.
  init(
    of file: DataFile, name: String, offset: Int, storedCount: Int, byteCount: Int,
    isDeflated: Bool, checksum: UInt32?
  ) throws {
    self.file = file
    self.name = name
    self.offset = offset
    end = offset + storedCount
    self.byteCount = byteCount
    self.checksum = checksum
    self.isDeflated = isDeflated
    stored = .allocate(byteCount: DataSection.capacity, alignment: 64)
    inflated = .allocate(byteCount: isDeflated ? DataSection.capacity : 1, alignment: 64)
    zlib = .allocate(capacity: 1)
    zlib.initialize(to: z_stream())
    guard isDeflated else { return }
    let code = inflateInit2_(  // negative: without zlib's header, as in zip files
      zlib, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else {
      throw Failure(.ioError, "\(name): zlib cannot start (error \(code))")
    }
  }

  /// A whole file.
  convenience init(wholeOf file: DataFile) throws {
    try self.init(
      of: file, name: file.path, offset: 0, storedCount: file.byteCount, byteCount: file.byteCount,
      isDeflated: false, checksum: nil)
  }

  deinit {
    inflateEnd(zlib)  // harmless without inflateInit2
    zlib.deallocate()
    inflated.deallocate()
    stored.deallocate()
  }

  /// Copies the next `count` bytes to `target`, or skips them where it is nil.
  /// - Precondition: `count` bytes are left.
  /// - Throws: `badData` where the file ends before or the deflated data are damaged.
  func read(_ count: Int, into target: UnsafeMutableRawPointer?) throws {
    require(count >= 0 && count <= byteCount - position, "\(name): \(count) bytes are not left")
    var done = 0
    while done < count {
      if ready.isEmpty {
        try refill()
      }
      let piece = min(count - done, ready.count)
      if let target { (target + done).copyMemory(from: ready.baseAddress!, byteCount: piece) }
      ready = UnsafeRawBufferPointer(rebasing: ready.dropFirst(piece))
      position += piece
      done += piece
    }
  }

  /// The next `count` bytes.
  func bytes(_ count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try read(count, into: $0.baseAddress) }
    return bytes
  }

  /// Skips the rest, checks the CRC-32, and checks that no deflated data are left.
  func finish() throws {
    try read(byteCount - position, into: nil)
    if isDeflated {
      if ready.isEmpty && !streamEnded { try inflateMore() }
      guard ready.isEmpty && streamEnded else {
        throw fault("holds more than the \(byteCount) bytes declared")
      }
    }
    if let checksum, UInt32(runningChecksum) != checksum {
      throw fault("does not have the CRC-32 declared for it")
    }
  }

  /// A failure for bad data in this section.
  func fault(_ what: String) -> Failure {
    Failure(.badData, "\(name) \(what)", remedy: "fetch or write the file again")
  }
}

// MARK: - Refilling

extension DataSection {
  /// Sets `ready` to the next piece.
  private func refill() throws {
    if isDeflated {
      try inflateMore()
      if ready.isEmpty { throw fault("ends at byte \(position) of the \(byteCount) declared") }
    } else {
      ready = UnsafeRawBufferPointer(start: stored, count: try readStored())
    }
    hash.update(ready)
    if checksum != nil {
      runningChecksum = crc32(
        runningChecksum, ready.baseAddress!.assumingMemoryBound(to: UInt8.self),
        UInt32(ready.count))
    }
  }

  private func readStored() throws -> Int {
    let wanted = min(end - offset, DataSection.capacity)
    let got = wanted == 0 ? 0 : try file.read(wanted, at: offset, into: stored)
    offset += got
    guard got > 0 else { throw fault("is cut short at byte \(offset) of the file") }
    return got
  }

  private func inflateMore() throws {
    zlib.pointee.next_out = inflated.assumingMemoryBound(to: UInt8.self)
    zlib.pointee.avail_out = UInt32(DataSection.capacity)
    while zlib.pointee.avail_out > 0 && !streamEnded {
      if zlib.pointee.avail_in == 0 {
        let count = try readStored()
        zlib.pointee.next_in = stored.assumingMemoryBound(to: UInt8.self)
        zlib.pointee.avail_in = UInt32(count)
      }
      let code = inflate(zlib, Z_NO_FLUSH)
      streamEnded = code == Z_STREAM_END
      guard code == Z_OK || streamEnded else {
        let reason = zlib.pointee.msg.map { String(cString: $0) } ?? "zlib error \(code)"
        let place = offset - Int(zlib.pointee.avail_in)
        throw fault("is damaged near byte \(place) of the file (\(reason))")
      }
    }
    ready = UnsafeRawBufferPointer(
      start: inflated, count: DataSection.capacity - Int(zlib.pointee.avail_out))
  }
}
