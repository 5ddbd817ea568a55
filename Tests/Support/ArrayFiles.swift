import CZlib

/// A NumPy file's bytes: float32, in C order, version 1.0 of its format.
public func npy(_ shape: [Int], _ values: [Float]) -> [UInt8] {
  let extents = shape.map { "\($0)," }.joined(separator: " ")
  var header = Array("{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }".utf8)
  header += [UInt8](repeating: UInt8(ascii: " "), count: 117 - header.count) + [10]
  let data = values.flatMap { littleEndian(Int($0.bitPattern), 4) }
  return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + header + data
}

/// What `npy` makes, read again: shape and values.
/// - Precondition: a file of float32 in C order.
public func readNPY(_ path: String) -> (shape: [Int], values: [Float]) {
  let bytes = contents(path)
  let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
  let header = String(decoding: bytes[10..<start], as: UTF8.self)
  precondition(header.contains("'<f4'") && header.contains("'fortran_order': False"))
  let extents = header.split(separator: "(")[1].split(separator: ")")[0]
  let shape = extents.split { ", ".contains($0) }.map { Int($0)! }
  let values = stride(from: start, to: bytes.count, by: 4).map { place in
    Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << (8 * $1) })
  }
  return (shape, values)
}

/// A ZIP archive's bytes, its files stored as they are: an NPZ file, where they are NPY files.
public func zip(_ files: [(name: String, bytes: [UInt8])]) -> [UInt8] {
  var archive: [UInt8] = []
  var directory: [UInt8] = []
  for (name, bytes) in files {
    let size = littleEndian(bytes.count, 4)
    let common =
      [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0] + littleEndian(checksum(bytes), 4) + size + size
      + littleEndian(name.utf8.count, 2) + [0, 0]
    directory +=
      [0x50, 0x4b, 1, 2, 20, 0] + common + [UInt8](repeating: 0, count: 10)
      + littleEndian(archive.count, 4) + Array(name.utf8)
    archive += [0x50, 0x4b, 3, 4] + common + Array(name.utf8) + bytes
  }
  let count = littleEndian(files.count, 2)
  return archive + directory + [0x50, 0x4b, 5, 6, 0, 0, 0, 0] + count + count
    + littleEndian(directory.count, 4) + littleEndian(archive.count, 4) + [0, 0]
}

/// A PNG file's bytes: 8 bits, gray.
/// - Parameter pixels: [height, width].
public func png(width: Int, height: Int, _ pixels: [UInt8]) -> [UInt8] {
  func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + data
    return littleEndian(data.count, 4).reversed() + body
      + littleEndian(checksum(body), 4).reversed()
  }
  // Each row with filter 0: the pixels as they are.
  let rows = (0..<height).flatMap { [0] + pixels[$0 * width..<($0 + 1) * width] }
  var count = compressBound(UInt(rows.count))
  var packed = [UInt8](repeating: 0, count: Int(count))
  precondition(compress(&packed, &count, rows, UInt(rows.count)) == Z_OK)
  let extents = littleEndian(width, 4).reversed() + littleEndian(height, 4).reversed()
  return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    + chunk("IHDR", extents + [8, 0, 0, 0, 0]) + chunk("IDAT", Array(packed[..<Int(count)]))
    + chunk("IEND", [])
}

private func checksum(_ bytes: [UInt8]) -> Int { Int(crc32(0, bytes, UInt32(bytes.count))) }

private func littleEndian(_ number: Int, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}
