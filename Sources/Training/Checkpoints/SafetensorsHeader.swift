import Datasets
import Tensors

/// The parsed header of a safetensors file: an element type, a shape and a byte range for each
/// name. The strings under `__metadata__` are ignored.
///
/// It has its own scanner, because general JSON readers accept duplicate keys (the last one wins),
/// accept 8.0 as a whole number, and nest as deeply as the file does. This grammar has a fixed
/// depth, so nothing recurses without a limit.
struct SafetensorsHeader {
  struct Entry {
    let name: String
    let dtype: String
    let shape: [Int]
    let begin, end: Int
  }

  /// A problem, and the byte of the header where it is.
  struct Mistake: Error {
    let what: String
    let offset: Int
  }

  /// In the order of their byte ranges.
  let entries: [Entry]

  /// - Throws: Mistake.
  init(_ bytes: [UInt8]) throws {
    var scanner = JSONScanner(bytes)
    var entries: [Entry] = []
    try scanner.object { scanner, name in
      if name == "__metadata__" {
        try scanner.object { scanner, _ in _ = try scanner.string() }
      } else {
        entries.append(try scanner.entry(name))
      }
    }
    try scanner.end()
    self.entries = entries.sorted { ($0.begin, $0.end, $0.name) < ($1.begin, $1.end, $1.name) }
  }
}

private struct JSONScanner: HeaderScanner {
  let bytes: [UInt8]
  var next = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Reads `{"key": ..., ...}`. `value` reads the value of each key.
  mutating func object(_ value: (inout JSONScanner, String) throws -> Void) throws {
    // Keys are compared by bytes, because Swift strings are equal if they are canonically
    // equivalent.
    var keys: Set<[UInt8]> = []
    try expect("{")
    if take("}") { return }
    repeat {
      skipSpace()
      let place = next
      let key = try string()
      guard keys.insert(Array(key.utf8)).inserted else {
        throw SafetensorsHeader.Mistake(
          what: "the key \(JSONLine.quoted(key)) stands there twice", offset: place)
      }
      try expect(":")
      try value(&self, key)
    } while take(",")
    try expect("}")
  }

  mutating func entry(_ name: String) throws -> SafetensorsHeader.Entry {
    skipSpace()
    let place = next
    var dtype: String?
    var shape: [Int]?
    var offsets: [Int]?
    try object { scanner, key in
      switch key {
      case "dtype": dtype = try scanner.string()
      case "shape": shape = try scanner.integers()
      case "data_offsets": offsets = try scanner.integers()
      default:
        throw SafetensorsHeader.Mistake(
          what: "the key \(JSONLine.quoted(key)) is none of dtype, shape and data_offsets",
          offset: place)
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2, offsets[0] >= 0,
      offsets[1] >= offsets[0]
    else {
      throw SafetensorsHeader.Mistake(
        what: "dtype, shape and two ascending data_offsets are expected", offset: place)
    }
    return SafetensorsHeader.Entry(
      name: name, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
  }

  mutating func end() throws {
    skipSpace()
    guard next == bytes.count else { throw expected("nothing more") }
  }

  mutating func integers() throws -> [Int] {
    var all: [Int] = []
    try expect("[")
    if take("]") { return all }
    repeat { all.append(try integer()) } while take(",")
    try expect("]")
    return all
  }

  private mutating func integer() throws -> Int {
    skipSpace()
    let isNegative = next < bytes.count && bytes[next] == UInt8(ascii: "-")
    let digits = bytes[(next + (isNegative ? 1 : 0))...].prefix { 48...57 ~= $0 }
    guard digits.count == 1 || digits.first.map({ $0 != UInt8(ascii: "0") }) ?? false,
      let value = Int(String(decoding: bytes[next..<digits.endIndex], as: UTF8.self))
    else { throw expected("a whole number") }
    next = digits.endIndex
    return value
  }

  /// Reads a JSON string (RFC 8259, section 7).
  mutating func string() throws -> String {
    guard take("\"") else { throw expected("a text in quotes") }
    let start = next
    var text: [UInt8] = []
    while next < bytes.count {
      let byte = bytes[next]
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw SafetensorsHeader.Mistake(what: "a text is not UTF-8", offset: start)
        }
        next += 1
        return string
      case UInt8(ascii: "\\"):
        next += 1
        text += String(try escaped()).utf8
      case 0..<32: throw expected("a text without control characters")
      default:
        text.append(byte)
        next += 1
      }
    }
    throw expected("the end of the text")
  }

  private mutating func escaped() throws -> Unicode.Scalar {
    guard next < bytes.count else { throw expected("an escape") }
    next += 1
    switch bytes[next - 1] {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let high = try hexadecimal()
      if let scalar = Unicode.Scalar(high) { return scalar }
      // A surrogate is one half of a scalar that needs more than 16 bits.
      guard high < 0xdc00, bytes[next...].starts(with: "\\u".utf8) else {
        throw expected("the second half of a surrogate pair")
      }
      next += 2
      let low = try hexadecimal()
      guard 0xdc00..<0xe000 ~= low,
        let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))
      else { throw expected("a surrogate pair") }
      return scalar
    default:
      next -= 1
      throw expected("an escape")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    let digits = bytes[next...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw expected("four hexadecimal digits") }
    next += 4
    return value
  }

  private mutating func expect(_ mark: Unicode.Scalar) throws {
    guard take(mark) else { throw expected("'\(mark)'") }
  }

  private func expected(_ what: String) -> SafetensorsHeader.Mistake {
    let found =
      next < bytes.count
      ? JSONLine.quoted(String(decoding: bytes[next...].prefix(16), as: UTF8.self)) : "its end"
    return SafetensorsHeader.Mistake(what: "\(what) is expected, found \(found)", offset: next)
  }
}
