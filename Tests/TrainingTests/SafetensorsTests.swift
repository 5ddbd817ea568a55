import Foundation
import System
import Tensors
import TestSupport
import Testing
import Training

/// A tensor's type, shape and bytes, to compare.
struct TensorBytes: Equatable {
  let name: String
  let dtype: DType
  let shape: Shape
  let bytes: [UInt8]

  init(_ named: (name: String, tensor: Tensor)) {
    let tensor = named.tensor.contiguous()
    name = named.name
    dtype = tensor.dtype
    shape = tensor.shape
    let byteCount = tensor.elementCount * dtype.byteCount
    // To copy memory is no use of the tensor that the compiler sees.
    bytes = withExtendedLifetime(tensor) {
      Array(UnsafeRawBufferPointer(start: tensor.rawPointer, count: byteCount))
    }
  }
}

@Suite struct SafetensorsTests {
  let folder = TemporaryFolder()

  /// One of each type, with the values a careless copy would change.
  static var everyKind: [(name: String, tensor: Tensor)] {
    [
      (
        "0.weight",
        Tensor([1.5, -0.0, .infinity, .nan, .leastNonzeroMagnitude, 3] as [Float], shape: [2, 3])
      ),
      ("double", Tensor([0.1, .leastNonzeroMagnitude, -.infinity], shape: [3])),
      ("i32", Tensor([.min, -1, 0, .max] as [Int32], shape: [2, 1, 2])),
      ("i64", Tensor([.min, .max] as [Int64], shape: [2])),
      ("bytes", Tensor([0, 127, 128, 255, 7] as [UInt8], shape: [5])),
      ("flags", Tensor([true, false, true], shape: [3, 1])),
      ("scalar", Tensor(scalar: Float(42))),
      ("none", Tensor(zeros: [0, 5])),
      ("a name with \"quotes\", ä and \u{1}", Tensor([2.5] as [Float], shape: [1])),
    ]
  }

  @Test func everyTypeComesBackBitForBitInItsOrder() throws {
    let path = folder.path + "/all.safetensors"
    let digest = try Safetensors.write(SafetensorsTests.everyKind, to: path)
    let back = try Safetensors.read(path)
    // One without elements has no place of its own in the file: it may stand elsewhere in the list.
    let withElements = { (all: [(name: String, tensor: Tensor)]) in
      all.filter { $0.tensor.elementCount > 0 }.map { TensorBytes($0) }
    }
    #expect(withElements(back) == withElements(SafetensorsTests.everyKind))
    #expect(back.first { $0.name == "none" }?.tensor.shape == [0, 5])
    #expect(digest.bytes == contents(path).count)
    let sum = try run(["sha256sum", path])
    #expect(sum.stdout.prefix(64) == digest.sha256)
  }

  @Test func viewsAreWrittenAsTheyLook() throws {
    let whole = Tensor((0..<12).map(Float.init), shape: [4, 3])
    let turned = Tensor(
      storage: whole.storage, shape: [3, 4],
      strides: {
        var strides = Strides(axisCount: 2)
        (strides[0], strides[1]) = (1, 3)
        return strides
      }(), offset: 0, dtype: .float32)
    let path = folder.path + "/views.safetensors"
    _ = try Safetensors.write([("rows", whole.rows(1..<3)), ("turned", turned)], to: path)
    let back = try Safetensors.read(path)
    #expect(back[0].tensor.values(Float.self) == [3, 4, 5, 6, 7, 8])
    #expect(back[1].tensor.values(Float.self) == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11])
  }

  @Test func noTensorAtAllIsAFileToo() throws {
    let path = folder.path + "/none.safetensors"
    _ = try Safetensors.write([], to: path)
    #expect(try Safetensors.read(path).isEmpty)
  }

  /// The format wants the header's length in 8 bytes; a reader that maps the file wants the data
  /// aligned.
  @Test func dataBeginAtAMultipleOfEight() throws {
    for length in 1...9 {
      let name = String(repeating: "x", count: length)
      let path = folder.path + "/\(length).safetensors"
      _ = try Safetensors.write([(name, Tensor(zeros: [3]))], to: path)
      #expect((contents(path).count - 12) % 8 == 0)
    }
  }

  @Test func existingFilesAndLinksAreNotOverwritten() throws {
    let path = folder.write("there", "mine")
    symlink(path, folder.path + "/link")
    for name in ["there", "link"] {
      expectFailure(.ioError, "cannot create \(folder.path)/\(name)", "File exists") {
        _ = try Safetensors.write([], to: folder.path + "/" + name)
      }
    }
    #expect(contents(path) == Array("mine".utf8))
  }
}

/// Files that were damaged, or made to harm.
@Suite struct SafetensorsHostileFileTests {
  let folder = TemporaryFolder()

  private func file(_ header: String, data: Int, length: UInt64? = nil) -> String {
    let bytes = Array(header.utf8)
    let count = withUnsafeBytes(of: (length ?? UInt64(bytes.count)).littleEndian) { Array($0) }
    return folder.write("hostile.safetensors", count + bytes + noise(data))
  }

  private func refused(
    _ header: String, data: Int, length: UInt64? = nil, _ part: String,
    at location: SourceLocation = #_sourceLocation
  ) {
    let path = file(header, data: data, length: length)
    expectFailure(.badData, path, part, at: location) { _ = try Safetensors.read(path) }
  }

  private func entry(_ name: String, _ dtype: String, _ shape: String, _ offsets: String) -> String
  {
    "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }

  @Test func theHelperMakesGoodFiles() throws {
    let path = file("{\(entry("a", "F32", "[2]", "[0,8]"))}", data: 8)
    #expect(try Safetensors.read(path).map(\.name) == ["a"])
  }

  @Test(arguments: [1, 7])
  func fewerThanEightBytesAreRefused(count: Int) {
    let path = folder.write("short", [UInt8](repeating: 0, count: count))
    expectFailure(.badData, "\(path): \(count) bytes are too few for a header") {
      _ = try Safetensors.read(path)
    }
  }

  @Test func headerLengthsThatCannotBeAreRefused() {
    let good = "{\(entry("a", "F32", "[2]", "[0,8]"))}"
    for length in [
      UInt64.max, 1 << 63, 1 << 62, UInt64(Int.max), 1 << 32,
      UInt64(Safetensors.maxHeaderByteCount) + 1,
      UInt64(good.utf8.count) + 9,
    ] {
      refused(good, data: 8, length: length, "byte 0 declares a header of \(length) bytes")
    }
    refused(
      good, data: 8, length: 0,
      "the header at byte 8 is not as the format says: at byte 8, '{' is expected, found its end")
    refused(
      good, data: 8, length: 5,
      "the header at byte 8 is not as the format says: at byte 13, '{' is expected, found its end")
  }

  @Test func headersThatAreNoSuchJSONAreRefused() {
    let deep = String(repeating: "[", count: 1_000_000)
    for header in [
      "{", "[]", "null", "7", "{\"a\":7}", "{\"a\":[]}", "{\"a\":{}}", "not json", "{\"a\":null}",
      "{\"__metadata__\":{\"format\":7}}", "{\"a\":\(deep)", deep, "{}garbage",
      "{\(entry("a", "F32", "2", "[0,8]"))}", "{\(entry("a", "F32", "[2.5]", "[0,8]"))}",
      "{\(entry("a", "F32", "[\"2\"]", "[0,8]"))}", "{\(entry("a", "F32", "[2]", "[0]"))}",
      "{\(entry("a", "F32", "[2]", "[0,4,8]"))}", "{\(entry("a", "F32", "[2]", "[8,0]"))}",
      "{\(entry("a", "F32", "[2]", "[-8,0]"))}",
      "{\(entry("a", "F32", "[2]", "[0,99999999999999999999]"))}",
    ] {
      refused(header, data: 8, "the header at byte 8 is not as the format says")
    }
    let path = folder.write("latin", [4, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xff, 0xfe])
    expectFailure(.badData, path) { _ = try Safetensors.read(path) }
  }

  @Test(arguments: ["F16", "BF16", "F8_E4M3", "f32", "", "U64"])
  func typesThatNoTensorHasAreNamed(dtype: String) {
    refused(
      "{\(entry("a.b", dtype, "[2]", "[0,8]"))}", data: 8,
      "tensor a.b has the unknown dtype \(dtype)")
  }

  @Test(arguments: [
    "[-2]", "[-1,-2]", "[4611686018427387904]", "[9223372036854775807,2]",
    "[4294967296,4294967296]",
    "[4294967296,4294967296,0]", "[0,4294967296,4294967296]", "[1,1,1,1,1,1,1,1,2]",
  ])
  func impossibleShapesAreRefused(shape: String) {
    refused("{\(entry("a", "F32", shape, "[0,0]"))}", data: 0, "tensor a has the impossible shape")
    refused("{\(entry("a", "F32", shape, "[0,8]"))}", data: 8, "tensor a has the impossible shape")
  }

  @Test func bytesMustFollowEachOtherFromTheFirstToTheLast() {
    let a = entry("a", "F32", "[2]", "[0,8]")
    for (second, data, part) in [
      (entry("b", "F32", "[2]", "[4,12]"), 12, "tensor b of 8 bytes claims bytes 4"),  // overlap
      (entry("b", "F32", "[2]", "[0,8]"), 8, "claims bytes 0 to 8"),  // the same twice
      (entry("b", "F32", "[2]", "[12,20]"), 20, "8 was the next free one"),  // hole
      (entry("b", "F32", "[2]", "[8,16]"), 15, "of the 15 there are"),  // past the end
      (entry("b", "F32", "[2]", "[8,16]"), 17, "1 bytes belong to no tensor"),  // trailing
      (entry("b", "F32", "[3]", "[8,16]"), 16, "tensor b of 12 bytes"),  // too little room
      (entry("b", "F32", "[1]", "[8,16]"), 16, "tensor b of 4 bytes"),  // too much
      (entry("b", "F32", "[2]", "[9223372036854775799,9223372036854775807]"), 8, "tensor b"),
    ] {
      refused("{\(a),\(second)}", data: data, part)
    }
    refused("{\(entry("a", "F32", "[2]", "[8,16]"))}", data: 16, "0 was the next free one")
    refused("{}", data: 1, "1 bytes belong to no tensor")
  }

  @Test func fileCutShortAnywhereIsRefused() throws {
    let path = folder.path + "/whole.safetensors"
    _ = try Safetensors.write(SafetensorsTests.everyKind, to: path)
    let whole = contents(path)
    for length in 0..<whole.count {
      let cut = folder.write("cut.safetensors", Array(whole[..<length]))
      expectFailure(.badData, cut) { _ = try Safetensors.read(cut) }
    }
    let longer = folder.write("longer.safetensors", whole + [0])
    expectFailure(.badData, longer, "1 bytes belong to no tensor") {
      _ = try Safetensors.read(longer)
    }
  }

  /// A flipped bit may hit a value or a name; then the file is another good one. It must not do more.
  @Test func flippedBitsAnywhereNeverTrap() throws {
    let path = folder.path + "/whole.safetensors"
    _ = try Safetensors.write(SafetensorsTests.everyKind, to: path)
    let whole = contents(path)
    var refusals = 0
    for bit in stride(from: 0, to: whole.count * 8, by: 3) {
      var bytes = whole
      bytes[bit / 8] ^= 1 << (bit % 8)
      let flipped = folder.write("flipped.safetensors", bytes)
      do {
        _ = try Safetensors.read(flipped)
      } catch let failure as Failure {
        #expect(failure.status == .badData && failure.message.hasPrefix(flipped), "\(failure)")
        refusals += 1
      }
    }
    #expect(refusals > whole.count)
  }

  @Test func whatIsNoFileIsNamed() {
    expectFailure(.inputMissing, "cannot open \(folder.path)/none", "No such file") {
      _ = try Safetensors.read(folder.path + "/none")
    }
    expectFailure(.badData, "\(folder.path) is a folder") {
      _ = try Safetensors.read(folder.path)
    }
    let empty = folder.write("empty", [])
    expectFailure(.badData, "\(empty) is empty") { _ = try Safetensors.read(empty) }
    // To open a pipe that nobody writes to would wait for ever.
    let pipe = folder.path + "/pipe"
    mkfifo(pipe, 0o600)
    expectFailure(.badData, "\(pipe) is not a regular file") { _ = try Safetensors.read(pipe) }
  }
}

/// nil where no Python here has the package, so that the test is skipped by name.
private let pythonWithSafetensors = python(with: "safetensors", "numpy")

/// What `safetensors`, the Python package, and nndist make of each other's files.
@Suite struct SafetensorsInPythonTests {
  let folder = TemporaryFolder()

  // Needs Python's safetensors: its own reader is the judge of our files.
  @Test(.enabled(if: pythonWithSafetensors != nil))
  func pythonReadsWhatWeWrite() throws {
    let path = folder.path + "/ours.safetensors"
    _ = try Safetensors.write(SafetensorsTests.everyKind, to: path)
    let outcome = try run([
      pythonWithSafetensors!, "-c",
      """
      import sys
      from safetensors.numpy import load_file
      for name, a in sorted(load_file(sys.argv[1]).items()):
          print(ascii(name), a.dtype, list(a.shape), a.tobytes().hex())
      """, path,
    ])
    #expect(
      outcome.stdout == """
        '0.weight' float32 [2, 3] 0000c03f000000800000807f0000c07f0100000000004040
        'a name with "quotes", \\xe4 and \\x01' float32 [1] 00002040
        'bytes' uint8 [5] 007f80ff07
        'double' float64 [3] 9a9999999999b93f0100000000000000000000000000f0ff
        'flags' bool [3, 1] 010001
        'i32' int32 [2, 1, 2] 00000080ffffffff00000000ffffff7f
        'i64' int64 [2] 0000000000000080ffffffffffffff7f
        'none' float32 [0, 5] \("")
        'scalar' float32 [] 00002842

        """, "\(outcome)")
  }

  // Needs Python's safetensors: files from elsewhere have their tensors and keys in other orders.
  @Test(.enabled(if: pythonWithSafetensors != nil))
  func weReadWhatPythonWrites() throws {
    let path = folder.path + "/theirs.safetensors"
    let outcome = try run([
      pythonWithSafetensors!, "-c",
      """
      import sys, numpy as np
      from safetensors.numpy import save_file
      save_file({
          'w': np.arange(6, dtype=np.float32).reshape(2, 3), 'd': np.array([0.1, -2.5]),
          'i': np.array([[-7]], dtype=np.int32), 'l': np.array([1 << 40]),
          'u': np.array([200, 3, 9], dtype=np.uint8), 'b': np.array([True, False]),
          's': np.array(1.5, dtype=np.float32), 'n': np.zeros((0, 4), dtype=np.float32)},
          sys.argv[1], metadata={'epoch': '3'})
      """, path,
    ])
    try #require(outcome.status == 0, "\(outcome)")
    let read = Dictionary(
      uniqueKeysWithValues: try Safetensors.read(path).map { ($0.name, $0.tensor) })
    #expect(read["w"]?.shape == [2, 3])
    #expect(read["w"]?.values(Float.self) == [0, 1, 2, 3, 4, 5])
    #expect(read["d"]?.values(Double.self) == [0.1, -2.5])
    #expect(read["i"]?.shape == [1, 1])
    #expect(read["i"]?.values(Int32.self) == [-7])
    #expect(read["l"]?.values(Int64.self) == [1 << 40])
    #expect(read["u"]?.values(UInt8.self) == [200, 3, 9])
    #expect(read["b"]?.values(Bool.self) == [true, false])
    #expect(read["s"]?.shape == [])
    #expect(read["s"]?.values(Float.self) == [1.5])
    #expect(read["n"]?.shape == [0, 4])
    #expect(read.count == 8)
  }
}
