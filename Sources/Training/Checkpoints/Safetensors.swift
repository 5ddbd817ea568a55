import CSystem
import Datasets
import Glibc
import System
import Tensors

/// The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length (little
/// endian), a JSON header with names, types, shapes and byte ranges, and the tensors' bytes without
/// gaps.
package enum Safetensors {
  /// Writes `tensors` in the given order, and syncs the file to the disk.
  /// - Returns: the file's length and digest.
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
    // The data start at a multiple of 8, so that a reader can map them into memory.
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

  /// The longest header that is accepted: enough for 5,000 tensors, but small enough that a hostile
  /// header does no harm.
  package static let maxHeaderByteCount = 1 << 20

  /// Reads and verifies a whole file.
  /// - Throws: `Failure(.badData)` with the file and the problem; then nothing is returned.
  package static func read(_ path: String) throws -> [(name: String, tensor: Tensor)] {
    let file = try DataFile(path: path, format: "a safetensors file")
    func bad(_ what: String) -> Failure {
      Failure(.badData, "\(path): \(what)", remedy: "the file is damaged or not a safetensors file")
    }
    let byteCount = file.byteCount
    let lengthBytes = try file.bytes(8, at: 0)
    guard lengthBytes.count == 8 else { throw bad("\(byteCount) bytes are too few for a header") }
    let declared = lengthBytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard declared <= UInt64(min(maxHeaderByteCount, byteCount - 8)) else {
      throw bad(
        "byte 0 declares a header of \(declared) bytes; the file has \(byteCount - 8) after it and "
          + "at most \(maxHeaderByteCount) are taken")
    }
    let headerCount = Int(declared)
    let headerBytes = try file.bytes(headerCount, at: 8)
    guard headerBytes.count == headerCount else {
      throw bad("the header of \(headerCount) bytes is cut short")
    }
    let header: SafetensorsHeader
    do {
      header = try SafetensorsHeader(headerBytes)
    } catch let mistake as SafetensorsHeader.Mistake {
      throw bad(
        "the header at byte 8 is not as the format says: at byte \(8 + mistake.offset), \(mistake.what)"
      )
    }
    var tensors: [(name: String, tensor: Tensor)] = []
    var next = 0
    let dataCount = byteCount - 8 - headerCount
    for entry in header.entries {
      let name = entry.name
      // Names are not used as paths here, but other programs create files from them.
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
      try checkMemory(count, for: name, path)
      let tensor = Tensor(uninitialized: Shape(entry.shape), dtype)
      let place = 8 + headerCount + next
      guard try count == 0 || file.read(count, at: place, into: tensor.rawPointer) == count else {
        throw bad("tensor \(name) is cut short")
      }
      tensors.append((name, tensor))
      next = entry.end
    }
    guard next == dataCount else { throw bad("\(dataCount - next) bytes belong to no tensor") }
    return tensors
  }

  /// Checks that a tensor of `byteCount` bytes can be allocated. A sparse file may have more bytes
  /// than there is memory, and a failed tensor allocation ends the process.
  private static func checkMemory(_ byteCount: Int, for name: String, _ path: String) throws {
    guard byteCount > 1 << 28 else { return }
    guard let probe = nd_try_malloc(byteCount + byteCount / 4) else {
      throw Failure(
        .trainingFailed, "\(path): out of memory: tensor \(name) of \(byteCount) bytes",
        remedy: "check that it belongs to this model, or use a host with more memory")
    }
    free(probe)
  }

  /// Returns the size of a tensor of this shape, in bytes. Returns nil if an extent is negative or
  /// if the strides overflow an Int, which is possible even if another extent is 0.
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
}
