import Foundation
import Glibc
import TensorCore

/// The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length (little
/// endian), a JSON header of names, types, shapes and byte ranges, and the tensors' bytes without a
/// gap.
public enum Safetensors {
  /// Writes `tensors` in their order.
  /// - Returns: the file's length and digest; it is on the disk then.
  package static func write(_ tensors: [(name: String, tensor: Tensor)], to path: String) throws
    -> FileDigest
  {
    var entries = ["\"__metadata__\":{\"format\":\"pt\"}"]
    var next = 0
    for (name, tensor) in tensors {
      let end = next + tensor.elementCount * tensor.dtype.byteCount
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(JSONLine.quoted(name)):{\"dtype\":\"\(tag(tensor.dtype))\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(next),\(end)]}")
      next = end
    }
    var header = Array("{\(entries.joined(separator: ","))}".utf8)
    // The data begin at a multiple of 8, so that a reader can map them.
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    let file = try DurableFile(creating: path)
    try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.write($0) }
    try header.withUnsafeBytes { try file.write($0) }
    for (_, tensor) in tensors {
      let tensor = tensor.contiguous()
      try file.write(
        UnsafeRawBufferPointer(
          start: tensor.rawPointer, count: tensor.elementCount * tensor.dtype.byteCount))
    }
    return try file.close()
  }

  /// Longest header taken: over 5,000 tensors, and little enough that a hostile one does no harm.
  package static let maxHeaderByteCount = 1 << 20

  /// Reads and verifies a whole file.
  /// - Throws: `Failure(.badData)` naming the file and what in it is wrong; nothing of a file that
  ///   does not hold what its header says is returned.
  public static func read(_ path: String) throws -> [(name: String, tensor: Tensor)] {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw systemFailure(.inputMissing, "cannot open \(path)")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(.badData, "\(path) is not a regular file")
    }
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw systemFailure(.inputMissing, "cannot open \(path)")
    }
    defer { try? file.close() }
    func bad(_ what: String) -> Failure {
      Failure(.badData, "\(path): \(what)", remedy: "the file is damaged or not a safetensors file")
    }
    let byteCount = try Int(file.seekToEnd())
    try file.seek(toOffset: 0)
    guard byteCount >= 8, let lengthBytes = try file.read(upToCount: 8), lengthBytes.count == 8
    else { throw bad("\(byteCount) bytes are too few for a header") }
    let declared = lengthBytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard declared <= UInt64(min(maxHeaderByteCount, byteCount - 8)) else {
      throw bad(
        "byte 0 declares a header of \(declared) bytes; the file has \(byteCount - 8) after it and "
          + "at most \(maxHeaderByteCount) are taken")
    }
    let headerCount = Int(declared)
    guard let headerBytes = try file.read(upToCount: headerCount), headerBytes.count == headerCount
    else { throw bad("the header of \(headerCount) bytes is cut short") }
    let header: [String: HeaderEntry]
    do {
      header = try JSONDecoder().decode([String: HeaderEntry].self, from: headerBytes)
    } catch {
      throw bad("the header at byte 8 is not as the format says")
    }
    var tensors: [(name: String, tensor: Tensor)] = []
    let described = header.compactMap { name, entry -> (String, HeaderEntry.Description)? in
      if case .tensor(let description) = entry { (name, description) } else { nil }
    }.sorted { ($0.1.begin, $0.1.end, $0.0) < ($1.1.begin, $1.1.end, $1.0) }
    var next = 0
    let dataCount = byteCount - 8 - headerCount
    for (name, entry) in described {
      // No name is used as a path here, but others make files of them.
      guard !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
        throw bad("tensor \(name) has a name that leads out of its folder")
      }
      guard let dtype = dtype(entry.dtype) else {
        throw bad("tensor \(name) has the unknown dtype \(entry.dtype)")
      }
      guard entry.shape.count <= Shape.maxAxisCount,
        let count = size(entry.shape, byteCount: dtype.byteCount)
      else { throw bad("tensor \(name) has the impossible shape \(entry.shape)") }
      guard entry.begin == next, entry.end <= dataCount, entry.end - entry.begin == count else {
        throw bad(
          "tensor \(name) of \(count) bytes claims bytes \(entry.begin) to \(entry.end) of the "
            + "\(dataCount) there are; \(next) was the next free one")
      }
      let tensor = Tensor(uninitialized: Shape(entry.shape), dtype)
      if count > 0 {
        guard let data = try file.read(upToCount: count), data.count == count else {
          throw bad("tensor \(name) is cut short")
        }
        data.copyBytes(to: tensor.rawPointer.assumingMemoryBound(to: UInt8.self), count: count)
      }
      tensors.append((name, tensor))
      next = entry.end
    }
    guard next == dataCount else { throw bad("\(dataCount - next) bytes belong to no tensor") }
    return tensors
  }

  /// The product of a shape's extents in bytes; nil if one is negative, or the strides go beyond
  /// what an Int can hold, which they may also where another extent is 0.
  private static func size(_ shape: [Int], byteCount: Int) -> Int? {
    var product = byteCount
    for extent in shape {
      guard extent >= 0 else { return nil }
      let (value, overflow) = product.multipliedReportingOverflow(by: max(extent, 1))
      guard !overflow else { return nil }
      product = value
    }
    return shape.contains(0) ? 0 : product
  }

  private static let tags: [(DType, String)] = [
    (.float32, "F32"), (.float64, "F64"), (.int32, "I32"), (.int64, "I64"), (.uint8, "U8"),
    (.bool, "BOOL"),
  ]
  private static func tag(_ dtype: DType) -> String { tags.first { $0.0 == dtype }!.1 }
  private static func dtype(_ tag: String) -> DType? { tags.first { $0.1 == tag }?.0 }

  private enum HeaderEntry: Decodable {
    struct Description {
      let dtype: String
      let shape: [Int]
      let begin, end: Int
    }
    case tensor(Description)
    case metadata

    private enum Keys: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }

    init(from decoder: any Decoder) throws {
      if decoder.codingPath.last?.stringValue == "__metadata__" {
        _ = try [String: String](from: decoder)
        self = .metadata
        return
      }
      let fields = try decoder.container(keyedBy: Keys.self)
      let offsets = try fields.decode([Int].self, forKey: .offsets)
      guard offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0] else {
        throw DecodingError.dataCorruptedError(
          forKey: .offsets, in: fields, debugDescription: "two ascending offsets")
      }
      self = .tensor(
        Description(
          dtype: try fields.decode(String.self, forKey: .dtype),
          shape: try fields.decode([Int].self, forKey: .shape), begin: offsets[0], end: offsets[1]))
    }
  }
}
