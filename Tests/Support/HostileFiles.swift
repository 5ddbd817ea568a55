/// A file that was made to harm, and what must be said of it.
public struct HostileFile: Sendable, CustomStringConvertible {
  public let description: String
  public let bytes: [UInt8]
  public let message: String

  init(_ name: String, _ bytes: [UInt8], _ message: String) {
    (description, self.bytes, self.message) = (name, bytes, message)
  }
}

// MARK: - Safetensors

/// A safetensors file: the header's length, or another one, the header, the tensors' bytes.
public func safetensors(_ header: String, data: Int = 0, length: UInt64? = nil) -> [UInt8] {
  let bytes = Array(header.utf8)
  let count = withUnsafeBytes(of: (length ?? UInt64(bytes.count)).littleEndian) { Array($0) }
  return count + bytes + [UInt8](repeating: 0, count: data)
}

/// A tensor's part of the header.
public func safetensorsEntry(
  _ name: String = "a", dtype: String = "F32", shape: String = "[2]", offsets: String = "[0,8]"
) -> String {
  "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
}

/// Row 45 of the table of faults.
public let hostileSafetensors: [HostileFile] = {
  typealias File = HostileFile
  let good = "{\(safetensorsEntry())}"
  let noJSON = "the header at byte 8 is not as the format says"
  func lengths(_ name: String, _ length: UInt64) -> File {
    File(
      "a header of \(name) bytes", safetensors(good, data: 8, length: length),
      "byte 0 declares a header of \(length) bytes")
  }
  func header(_ name: String, _ text: String, _ message: String, data: Int = 8) -> File {
    File(name, safetensors(text, data: data), message)
  }
  func entry(_ name: String, _ message: String, data: Int = 8, _ text: String...) -> File {
    header(name, "{\(text.joined(separator: ","))}", message, data: data)
  }
  func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }
  let manyEntries = (0..<100_000).map {
    "\"\($0)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"
  }
  let fifteenThousand = (0..<15_000).map {
    "\"\($0)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[\($0),\($0 + 1)]}"
  }
  let a = safetensorsEntry()
  return [
    lengths("2^64 - 1", .max), lengths("2^63", 1 << 63), lengths("2^62", 1 << 62),
    lengths("2^63 - 1", UInt64(Int.max)), lengths("2^32", 1 << 32),
    lengths("2^20 + 1", 1 << 20 + 1),
    lengths("one too many", UInt64(good.utf8.count) + 9),
    File("a header of 0 bytes", safetensors(good, data: 8, length: 0), noJSON),
    File("a header cut short", safetensors(good, data: 8, length: 30), noJSON),
    File("nothing but a length", safetensors("", length: 2), "byte 0 declares a header of 2 bytes"),
    File(
      "not UTF-8", safetensors("{\"", length: 4) + [0xff, 0xfe],
      "the end of the text is expected, found its end"
    ),
    File(
      "a name that is not UTF-8",
      [5, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xff] + Array("\":".utf8),
      "a text is not UTF-8"),
    header("a list", "[]", "at byte 8, '{' is expected"),
    header("text", "not json", "at byte 8, '{' is expected"),
    header("spaces alone", repeated(" ", 1_000_000), "'{' is expected, found its end"),
    header("more after it", "{}garbage", "at byte 10, nothing more is expected"),
    header("deep lists", repeated("[", 1_000_000), "'{' is expected"),
    header(
      "deep lists in a tensor", "{\"a\":" + repeated("[", 1_000_000), "at byte 13, '{' is expected"),
    header(
      "deep objects", repeated("{\"a\":", 200_000), "is none of dtype, shape and data_offsets"),
    header(
      "a text without end", "{\"" + repeated("x", 1_000_000), "the end of the text is expected"),
    header("half a surrogate pair", "{\"\\ud800\":{}}", "surrogate pair is expected"),
    header("a bare tensor", "{\"a\":7}", "'{' is expected, found \"7}\""),
    header("a tensor of nothing", "{\"a\":{}}", "dtype, shape and two ascending data_offsets"),
    header(
      "numbers in __metadata__", "{\"__metadata__\":{\"a\":7}}", "a text in quotes is expected"),
    entry("a key twice", "the key \"a\" stands there twice", a, a),
    entry(
      "a tensor's key twice", "the key \"dtype\" stands there twice",
      "\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"),
    entry(
      "overlap", "tensor b of 8 bytes claims bytes 4 to 12", data: 12, a,
      safetensorsEntry("b", offsets: "[4,12]")),
    entry(
      "a hole", "8 was the next free one", data: 20, a, safetensorsEntry("b", offsets: "[12,20]")),
    entry(
      "a hole in front", "0 was the next free one", data: 16, safetensorsEntry(offsets: "[8,16]")),
    entry(
      "past the end", "of the 15 there are", data: 15, a, safetensorsEntry("b", offsets: "[8,16]")),
    entry("bytes left over", "1 bytes belong to no tensor", data: 9, a),
    entry("more elements than bytes", "tensor a of 12 bytes", safetensorsEntry(shape: "[3]")),
    entry("shape overflow", "impossible shape", safetensorsEntry(shape: "[4294967296,4294967296]")),
    entry(
      "shape overflow beside 0", "impossible shape", data: 0,
      safetensorsEntry(shape: "[0,4294967296,4294967296]", offsets: "[0,0]")),
    entry("a negative extent", "impossible shape", safetensorsEntry(shape: "[-2]")),
    entry(
      "500,000 axes", "has the impossible shape",
      safetensorsEntry(
        shape: "[" + repeated("1,", 500_000) + "2]")),
    entry("a negative offset", "two ascending data_offsets", safetensorsEntry(offsets: "[-8,0]")),
    entry("a float offset", "']' is expected, found \".0]", safetensorsEntry(offsets: "[0,8.0]")),
    entry(
      "an offset of 2^64", "a whole number is expected",
      safetensorsEntry(offsets: "[0,18446744073709551616]")),
    entry(
      "an exponent in a shape", "']' is expected, found \"e0]", safetensorsEntry(shape: "[2e0]")),
    entry("an unknown type", "the unknown dtype F16", safetensorsEntry(dtype: "F16")),
    header(
      "100,000 tensors", "{\(manyEntries.joined(separator: ","))}", "at most 1048576 are taken"),
    header(
      "15,000 tensors and one byte", "{\(fifteenThousand.joined(separator: ","))}",
      "1 bytes belong to no tensor", data: 15_001),
  ]
}()

// MARK: - IDX

/// Row 43 of the table of faults: files whose header promises what is not there.
public let lyingIDX: [HostileFile] = {
  typealias File = HostileFile
  var files: [File] = []
  func add(_ dims: [Int], real: Int, _ message: String) {
    files.append(File("\(dims) over \(real) bytes", idx(dims, noise(real)), message))
  }
  // More or fewer items, rows, columns than there are; by one, by many, by orders of magnitude.
  for dims in [
    [9, 4, 5], [11, 4, 5], [10, 3, 5], [10, 5, 5], [10, 4, 4], [10, 4, 6], [1, 4, 5],
  ] {
    let declared = 16 + dims.reduce(1, *)
    add(
      dims, real: 200,
      "which with the header makes \(declared) bytes, but it "
        + (declared < 216 ? "goes on to" : "ends at") + " byte 216")
  }
  for dims in [[60000, 28, 28], [0x7fff_ffff, 1, 1], [0xffff_ffff], [0x7fff_ffff, 0x7fff_ffff]] {
    add(dims, real: 200, "bytes, but it ends at byte \(204 + 4 * dims.count)")
  }
  // Products that overflow, or wrap to what is there.
  for dims in [
    [0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
    [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
    [1 << 31, 1 << 31, 4], [1 << 31, 1 << 31, 1], [1 << 16, 1 << 16, 1 << 16, 1 << 16],
  ] { add(dims, real: 200, "more than any file holds; the file has \(204 + 4 * dims.count) bytes") }
  for axis in 0..<3 {
    var dims = [2, 3, 4]
    dims[axis] = 0
    add(dims, real: 24, "no data, for axis \(axis) at byte \(4 + 4 * axis) is 0")
  }
  for count in [0, 5, 255] {
    files.append(
      File(
        "\(count) axes", idx(Array(repeating: 1, count: count), [1]),
        "declares \(count) axes at byte 3; 1 to 4 are read"))
  }
  for type: UInt8 in [0x00, 0x09, 0x0d, 0xff] {
    files.append(
      File("type \(type)", idx([4], noise(4), elementType: type), "at byte 2; only 0x08, uint8, is")
    )
  }
  let whole = idx([2, 2, 2], noise(8))
  for length in [3, 4, 15] {
    files.append(
      File("cut at \(length)", Array(whole[..<length]), "ends at byte \(length), inside its IDX"))
  }
  files.append(File("a shifted header", [0] + whole, "declares the element type 0x00 at byte 2"))
  files.append(File("a byte in front", [1] + whole, "byte 0 is 0x01, not 0x00"))
  return files
}()

/// Gzip data that unzip to `count` zeros, some thousand times what they take; in many members, which
/// is quick to make.
/// - Parameter start: what comes before the zeros.
public func gzipBomb(_ start: [UInt8], zeros count: Int) -> [UInt8] {
  let member = gzipped([UInt8](repeating: 0, count: 8 << 20))
  return gzipped(start) + Array(repeatElement(member, count: count / (8 << 20)).joined())
    + gzipped([UInt8](repeating: 0, count: count % (8 << 20)))
}
