import CZlib
import FoundationEssentials
import Glibc
import TensorCore
import Testing

/// A folder for one test's files, removed with its owner.
final class TemporaryFolder {
  let path: String

  init() {
    var template = Array("/tmp/nndist-datasets-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Makes `name` below the folder, with the folders on the way to it, and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) -> String {
    var folder = path
    for part in name.split(separator: "/").dropLast() {
      folder += "/" + part
      mkdir(folder, 0o700)
    }
    let file = fopen(path + "/" + name, "w")!
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
    return path + "/" + name
  }
}

/// An IDX file's bytes: the header declares `dims`, whatever `data` holds.
func idx(_ dims: [Int], _ data: [UInt8], elementType: UInt8 = 0x08) -> [UInt8] {
  var bytes: [UInt8] = [0, 0, elementType, UInt8(dims.count)]
  for extent in dims {
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: extent >> shift)) }
  }
  return bytes + data
}

/// `bytes` as gzip data, as gzip(1) makes them.
func gzipped(_ bytes: [UInt8]) -> [UInt8] {
  let folder = TemporaryFolder()
  let path = folder.path + "/data.gz"
  let file = gzopen(path, "wb")!
  gzwrite(file, bytes, UInt32(bytes.count))
  gzclose(file)
  return contents(path)
}

func contents(_ path: String) -> [UInt8] {
  let file = fopen(path, "r")!
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = fread(&block, 1, block.count, file)
    if count == 0 { return bytes }
    bytes += block[..<count]
  }
}

/// Bytes without a pattern that deflate could use, the same in every run.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  let random = CountedRandom(seed: seed, purpose: "test bytes")
  return (0..<count).map { UInt8(truncatingIfNeeded: random.block(UInt64($0 / 4))[$0 % 4]) }
}

/// Expects `body` to throw a Failure of `status` whose message holds each of `parts`.
func expectFailure(
  _ status: Failure.Status, _ parts: String..., at location: SourceLocation = #_sourceLocation,
  from body: () throws -> Void
) {
  let failure = #expect(throws: Failure.self, sourceLocation: location) { try body() }
  guard let failure else { return }
  #expect(failure.status == status, "\(failure)", sourceLocation: location)
  for part in parts {
    #expect(failure.message.contains(part), "\(failure)", sourceLocation: location)
  }
  #expect(!failure.message.contains("\n"), sourceLocation: location)
}
