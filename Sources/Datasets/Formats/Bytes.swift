extension [UInt8] {
  /// The unsigned integer of `count` bytes at `offset`, lowest byte first.
  /// - Precondition: the bytes exist; count <= 7.
  func littleEndian(at offset: Int, _ count: Int) -> Int {
    self[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// The unsigned integer of `count` bytes at `offset`, highest byte first.
  /// - Precondition: the bytes exist; count <= 7.
  func bigEndian(at offset: Int, _ count: Int) -> Int {
    self[offset..<offset + count].reduce(0) { $0 << 8 | Int($1) }
  }
}

/// `bytes` as messages show them: in quotes, on one line, and not long.
func shown<Bytes: Collection>(_ bytes: Bytes) -> String where Bytes.Element == UInt8 {
  let text = String(decoding: bytes.prefix(40), as: UTF8.self)
  let visible = String(
    String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 || $0 == "\u{7f}" ? "·" : $0 })
  )
  return "\"\(visible)\(bytes.count > 40 ? "…" : "")\""
}

/// A byte as messages show it, such as 0x0a.
func hex(_ byte: UInt8) -> String { (byte < 16 ? "0x0" : "0x") + String(byte, radix: 16) }
