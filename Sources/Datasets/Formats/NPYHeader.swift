import System

/// The element type of an NPY array.
enum NPYType: String {
  case boolean = "b1"
  case uint8 = "u1"
  case int8 = "i1"
  case uint16 = "u2"
  case int16 = "i2"
  case uint32 = "u4"
  case int32 = "i4"
  case uint64 = "u8"
  case int64 = "i8"
  case float32 = "f4"
  case float64 = "f8"

  var byteCount: Int { Int(rawValue.dropFirst())! }
}

/// The header of an NPY file (numpy/lib/format.py, versions 1.0, 2.0 and 3.0).
struct NPYHeader: Equatable {
  var type: NPYType
  var isBigEndian: Bool
  var isFortran: Bool
  var shape: [Int]

  /// The maximum size. NumPy writes fewer than 10000 bytes, so that no valid header comes near it.
  static let maximumByteCount = 1 << 16
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
}

extension NPYHeader {
  /// Reads the header, up to the first byte of the data.
  /// - Throws: `badData` where it violates the format, or has an element type that is not
  ///   supported.
  init(_ section: DataSection) throws {
    func read(_ count: Int) throws -> [UInt8] {
      guard count <= section.byteCount - section.position else {
        throw section.fault("ends at byte \(section.byteCount), inside its NPY header")
      }
      return try section.bytes(count)
    }
    let start = try read(8)
    for (i, byte) in NPYHeader.magic.enumerated() where start[i] != byte {
      throw Failure(
        .badData,
        "\(section.name) is not an NPY file: byte \(i) is \(hex(start[i])), not "
          + hex(byte), remedy: "write it with numpy.save")
    }
    guard 1...3 ~= start[6] && start[7] == 0 else {
      throw Failure(
        .badData,
        "\(section.name) has NPY version \(start[6]).\(start[7]) at byte 6; 1.0, 2.0 and "
          + "3.0 are read", remedy: "write it with numpy.save")
    }
    let sizeBytes = start[6] == 1 ? 2 : 4
    let size = try read(sizeBytes).littleEndian(at: 0, sizeBytes)
    guard size <= NPYHeader.maximumByteCount else {
      throw section.fault(
        "declares an NPY header of \(size) bytes at byte 8; at most \(NPYHeader.maximumByteCount) "
          + "are read")
    }
    var literal = PythonLiteral(try read(size), start: 8 + sizeBytes, section: section)
    self = try literal.header()
  }
}

/// The Python dictionary of an NPY header. Only the syntax that numpy.save writes is accepted.
private struct PythonLiteral: HeaderScanner {
  let bytes: [UInt8]
  private let start: Int  // offset of `bytes` in the section
  private let section: DataSection
  var next = 0

  init(_ bytes: [UInt8], start: Int, section: DataSection) {
    self.bytes = bytes
    self.start = start
    self.section = section
  }

  mutating func header() throws -> NPYHeader {
    var type: (NPYType, isBigEndian: Bool)?
    var isFortran: Bool?
    var shape: [Int]?
    try expect("{")
    while !take("}") {
      let place = next
      let key = try string("a key")
      try expect(":")
      switch key {
      case "descr" where type == nil: type = try elementType()
      case "fortran_order" where isFortran == nil: isFortran = try boolean()
      case "shape" where shape == nil: shape = try tuple()
      default:
        throw fault("one of descr, fortran_order and shape, once", place)
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    skipSpace()
    guard next == bytes.count else { throw fault("the end of the header", next) }
    guard let type, let isFortran, let shape else {
      throw fault("descr, fortran_order and shape", 0)
    }
    return NPYHeader(
      type: type.0, isBigEndian: type.isBigEndian, isFortran: isFortran, shape: shape)
  }

  private mutating func elementType() throws -> (NPYType, isBigEndian: Bool) {
    skipSpace()
    let place = next
    if next < bytes.count && bytes[next] == UInt8(ascii: "[") {
      throw unsupported("a structured type", place)
    }
    let text = try string("a type")
    guard let type = NPYType(rawValue: String(text.dropFirst())), let order = text.first,
      "<>|=".contains(order), order != "|" || type.byteCount == 1
    else { throw unsupported("the type \(shown(Array(text.utf8)))", place) }
    return (type, order == ">")
  }

  private func unsupported(_ what: String, _ place: Int) -> Failure {
    Failure(
      .badData,
      "\(section.name) has \(what) at byte \(start + place); read are b1, u1, i1, u2, i2, "
        + "u4, i4, u8, i8, f4 and f8",
      remedy: "write it with numpy.save(..., array.astype(numpy.float32))")
  }

  private mutating func boolean() throws -> Bool {
    skipSpace()
    for (word, value) in [("True", true), ("False", false)] {
      if bytes[next...].starts(with: word.utf8) {
        next += word.utf8.count
        return value
      }
    }
    throw fault("True or False", next)
  }

  private mutating func tuple() throws -> [Int] {
    var extents: [Int] = []
    try expect("(")
    while !take(")") {
      skipSpace()
      let digits = bytes[next...].prefix { 48...57 ~= $0 }
      guard let extent = Int(String(decoding: digits, as: UTF8.self)) else {
        throw fault("an extent", next)
      }
      next += digits.count
      extents.append(extent)
      if !take(",") {
        try expect(")")
        break
      }
    }
    return extents
  }

  private mutating func string(_ what: String) throws -> String {
    skipSpace()
    guard next < bytes.count, let quote = "'\"".utf8.first(where: { $0 == bytes[next] }),
      let end = bytes[(next + 1)...].firstIndex(of: quote)
    else { throw fault("\(what) in quotes", next) }
    defer { next = end + 1 }
    return String(decoding: bytes[next + 1..<end], as: UTF8.self)
  }

  private mutating func expect(_ mark: Unicode.Scalar) throws {
    guard take(mark) else { throw fault("\"\(mark)\"", next) }
  }

  private func fault(_ expected: String, _ place: Int) -> Failure {
    section.fault(
      "has a damaged NPY header: at byte \(start + place), \(expected) is expected, found "
        + (place < bytes.count ? shown(bytes[place...].prefix(20)) : "its end"))
  }
}
