import System

/// Reads an IDX file (the format of MNIST and similar data sets) from front to back, gzipped or
/// not.
///
/// The format: two zero bytes, the element type (only 0x08, uint8, is supported), the number of
/// axes (1 to 4), each extent as a big-endian uint32, then the elements in row-major order. Items
/// are the slices along axis 0. A header is accepted only if the size of the file is consistent
/// with it, so that callers may allocate memory for `dims`.
package final class IDXReader {
  package var path: String { stream.path }
  /// The declared extents, outermost first; none is 0.
  package let dims: [Int]
  /// Bytes of one item: the product of dims[1...].
  package let itemByteCount: Int
  package var itemCount: Int { dims[0] }

  private let stream: ByteStream
  private let declaredByteCount: Int  // header and all items
  private var itemsRead = 0

  /// Opens the file and reads its header.
  /// - Throws: `inputMissing` where the file cannot be opened, `ioError` where reading fails,
  ///   `badData` where it is no IDX file of uint8, or its size contradicts its header.
  package init(path: String) throws {
    stream = try ByteStream(path: path)
    dims = try IDXReader.readHeader(stream)
    (itemByteCount, declaredByteCount) = try IDXReader.byteCounts(dims, stream)
  }

  /// Copies the next `count` items to `target`.
  /// - Precondition: at least `count` items are left.
  /// - Throws: `badData` where the file ends before, or its gzip data are damaged.
  package func readItems(_ count: Int, into target: UnsafeMutableRawPointer) throws {
    try advance(count, into: target)
  }

  /// Reads all items. Memory grows with the bytes read: the header of a gzipped file is not
  /// trusted.
  /// - Precondition: no item was read.
  /// - Throws: as `readItems`.
  func readAll() throws -> [UInt8] {
    require(itemsRead == 0, "readAll: \(itemsRead) items were read already")
    let count = itemCount * itemByteCount
    var bytes: [UInt8] = []
    if !stream.isCompressed { bytes.reserveCapacity(count) }  // the file has as many
    while bytes.count < count {
      let (start, piece) = (bytes.count, min(count - bytes.count, 1 << 20))
      bytes.append(contentsOf: repeatElement(0, count: piece))
      let got = try bytes.withUnsafeMutableBytes {
        try stream.read(piece, into: $0.baseAddress! + start)
      }
      guard got == piece else { throw cutShort }
    }
    itemsRead = itemCount
    return bytes
  }

  /// Skips the next `count` items.
  /// - Precondition: at least `count` items are left.
  package func skipItems(_ count: Int) throws {
    try advance(count, into: nil)
  }

  /// Checks that the file ends where its header says, and that the checksums of gzip data match.
  /// - Precondition: all items were read or skipped.
  package func finish() throws {
    require(itemsRead == itemCount, "finish: \(itemsRead) of \(itemCount) items were read")
    guard try stream.read(1, into: nil) == 0 else {
      throw damage("\(declaration), but it goes on after \(stream.place(declaredByteCount - 1))")
    }
  }

  /// Whether the file must be read to verify that it holds what its header declares.
  var isCompressed: Bool { stream.isCompressed }

  /// The hash of the whole decompressed file, after `finish` has returned.
  var digest: UInt64 { stream.hash.value }

  /// The offset of the first byte of an item, as messages give it.
  func place(ofItem item: Int) -> String {
    stream.place(4 + 4 * dims.count + item * itemByteCount)
  }

  private func advance(_ count: Int, into target: UnsafeMutableRawPointer?) throws {
    require(
      count >= 0 && count <= itemCount - itemsRead,
      "readItems: \(count) items wanted, \(itemCount - itemsRead) are left")
    guard try stream.read(count * itemByteCount, into: target) == count * itemByteCount else {
      throw cutShort
    }
    itemsRead += count
  }

  private var cutShort: Failure {
    damage("\(declaration), but it ends at \(stream.place(stream.position))")
  }

  private var declaration: String {
    IDXReader.declaration(dims, declaredByteCount: declaredByteCount, stream)
  }
}

// MARK: - The header

extension IDXReader {
  private static func readHeader(_ stream: ByteStream) throws -> [Int] {
    func read(_ count: Int) throws -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: count)
      let got = try bytes.withUnsafeMutableBytes { try stream.read(count, into: $0.baseAddress) }
      guard got == count else {
        let end = stream.place(stream.position)
        throw damage("\(stream.path) ends at \(end), inside its IDX header")
      }
      return bytes
    }

    let magic = try read(4)
    for i in 0..<2 where magic[i] != 0 {
      throw damage(
        "\(stream.path) is not an IDX file: \(stream.place(i)) is \(hex(magic[i])), not 0x00")
    }
    guard magic[2] == 0x08 else {
      throw damage(
        "\(stream.path) declares the element type \(hex(magic[2])) at \(stream.place(2)); only "
          + "0x08, uint8, is read")
    }
    guard 1...4 ~= magic[3] else {
      throw damage(
        "\(stream.path) declares \(magic[3]) axes at \(stream.place(3)); 1 to 4 are read")
    }
    let extents = try read(4 * Int(magic[3]))
    return stride(from: 0, to: extents.count, by: 4).map { start in
      extents[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    }
  }

  /// The bytes of an item and of the whole, both checked against the size of the file.
  private static func byteCounts(
    _ dims: [Int], _ stream: ByteStream
  ) throws -> (item: Int, declared: Int) {
    if let axis = dims.firstIndex(of: 0) {
      throw damage(
        "\(stream.path) declares \(describe(dims)): no data, for axis \(axis) at "
          + "\(stream.place(4 + 4 * axis)) is 0")
    }
    let header = 4 + 4 * dims.count
    // Below 2^62, the sum with the header and the limit stay far from overflowing.
    var elements = 1
    for extent in dims {
      let (product, overflow) = elements.multipliedReportingOverflow(by: extent)
      guard !overflow && product < 1 << 62 else {
        throw damage(
          "\(stream.path) declares \(describe(dims)) at \(stream.place(4)), more than any file "
            + "holds; the file has \(stream.fileByteCount) bytes")
      }
      elements = product
    }
    let declared = header + elements
    if stream.isCompressed {
      let limit = ByteStream.maximumInflation * (stream.fileByteCount + 1)
      guard declared <= limit else {
        throw damage(
          "\(declaration(dims, declaredByteCount: declared, stream)), but its \(stream.fileByteCount) "
            + "bytes of gzip data can hold at most \(limit)")
      }
    } else if declared != stream.fileByteCount {
      let verb = declared > stream.fileByteCount ? "ends at" : "goes on to"
      throw damage(
        "\(declaration(dims, declaredByteCount: declared, stream)), but it \(verb) byte "
          + "\(stream.fileByteCount)")
    }
    return (elements / dims[0], declared)
  }

  private static func declaration(
    _ dims: [Int], declaredByteCount: Int, _ stream: ByteStream
  ) -> String {
    "\(stream.path) declares \(describe(dims)), which with the header makes \(declaredByteCount) "
      + (stream.isCompressed ? "uncompressed bytes" : "bytes")
  }

  private static func describe(_ dims: [Int]) -> String {
    dims.map(String.init).joined(separator: " x ")
  }
}
