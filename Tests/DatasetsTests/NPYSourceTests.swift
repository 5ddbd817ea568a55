import CZlib
import Datasets
import Glibc
import System
import Tensors
import TestSupport
import Testing

/// Golden/files.py.
struct RecordedFiles: Decodable {
  struct NPY: Decodable {
    let name: String
    let shape: [Int]
    let bytes: String
    let values: [UInt32]
  }
  struct PNG: Decodable {
    let name: String
    let bytes: String
    let shape: [Int]?
    let pixels: [UInt8]?
  }
  let npy: [NPY]
  let npz: [String: String]
  let npzInputs: [UInt8]
  let npzTargets: [Int]
  let png: [PNG]
}

struct NPYSourceTests {
  let folder = TemporaryFolder()
  private let recorded: RecordedFiles
  init() throws { recorded = try golden("files.json") }

  /// An NPY file, version 1.0.
  private func npy(_ header: String, _ data: [UInt8], version: [UInt8] = [1, 0]) -> [UInt8] {
    [0x93] + Array("NUMPY".utf8) + version
      + [UInt8(header.utf8.count & 0xff), UInt8(header.utf8.count >> 8)] + Array(header.utf8) + data
  }
  private func npy(_ type: String, _ shape: String, _ data: [UInt8]) -> [UInt8] {
    npy("{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }\n", data)
  }

  @Test func everyTypeOrderAndVersionOfNumPyReadsBack() throws {
    let targets = folder.write("y.npy", npy("|u1", "(5,)", [0, 1, 2, 3, 4]))
    for file in recorded.npy {
      let path = folder.write("x.npy", bytes(hex: file.bytes))
      let read = try InputFile.read(path)
      #expect([read.sampleCount] + read.sampleShape == file.shape, "\(file.name)")
      let values: [Float] =
        switch read.values {
        case .uint8(let bytes): bytes.map { Float($0) }
        case .float32(let floats): floats
        }
      #expect(values.map(\.bitPattern) == file.values, "\(file.name)")
      #expect((read.type == .uint8) == file.name.contains("u1"), "\(file.name)")
      if file.shape == [5] {
        let source = try NPYSource(inputs: path, targets: targets, targetKind: .classIndex)
        #expect(source.inputShape == [] && source.targetShape == [])
        let samples = try SamplesRead(source) { $0 != 2 }
        let kept = [0, 1, 3, 4].map { values[$0] }
        #expect(samples.inputs == kept && samples.targets == [0, 1, 3, 4], "\(file.name)")
      }
    }
    #expect(recorded.npy.count == 11 * 6 + 8 * 6 + 3)  // types of one byte have no order
  }

  @Test(arguments: ["stored", "deflated"])
  func archivesOfNumPyReadBack(kind: String) throws {
    let path = folder.write("data.npz", bytes(hex: try #require(recorded.npz[kind])))
    let all = recorded.npzInputs.map { Float($0) }
    for inputs in ["x", "fortran"] {
      func open() throws -> NPYSource {
        try NPYSource(archive: path, inputs: inputs, targetKind: .classIndex)
      }
      #expect(try open().inputShape == [5, 4] && open().inputType == .uint8)
      #expect(try open().targetType == .classIndex(count: 4))
      let samples = try SamplesRead(open())
      #expect(samples.inputs == all && samples.targets == recorded.npzTargets.map { Float($0) })
      let some = try SamplesRead(open()) { $0 >= 4 }
      #expect(some.inputs == Array(all[80...]) && some.targets == [2, 0])
    }
    let numbers = try NPYSource(archive: path, targetKind: .number)
    #expect(numbers.targetType == .float32 && numbers.targetShape == [])
    #expect(try SamplesRead(numbers).targets == [0, 3, 1, 1, 2, 0])
    #expect(try InputFile.read(path).values == .uint8(recorded.npzInputs))
    #expect(try InputFile.read(path, array: "fortran").values == .uint8(recorded.npzInputs))
    expectFailure(
      .badData, "data.npz has no array \"z\"; it has \"x\", \"y\", \"fortran\"",
      remedy: "numpy.savez(..., z=array)"
    ) { _ = try InputFile.read(path, array: "z") }
  }

  @Test func targetsMayHaveAxes() throws {
    let x = folder.write("x.npy", npy("|u1", "(2,)", [7, 8]))
    let y = folder.write("y.npy", npy("|i1", "(2, 3)", [0, 1, 2, 2, 0, 9]))
    let source = try NPYSource(inputs: x, targets: y, targetKind: .classIndex)
    #expect(source.targetShape == [3] && source.targetType == .classIndex(count: 10))
    #expect(try SamplesRead(source).targets == [0, 1, 2, 2, 0, 9])
    #expect(
      try NPYSource(inputs: x, targets: y, targetKind: .classIndex, classCount: 12).targetType
        == .classIndex(count: 12))
  }

  @Test func largeItemsAreReadInBlocks() throws {
    let count = 100_003  // more than a block, and more than a buffer, of 4-byte numbers
    let values = (0..<2 * count).map { Float($0) }
    let path = folder.path + "/large.npy"
    try NPYFile.write(values, shape: [2, count], to: path)
    let read = try InputFile.read(path)
    #expect(read.sampleShape == [count] && read.values == .float32(values))
  }

  @Test(arguments: [[6], [2, 3], [1, 2, 3, 1], [0, 4]])
  func writtenFilesReadBack(shape: [Int]) throws {
    let values = (0..<shape.reduce(1, *)).map { Float($0) / 3 }
    let path = folder.path + "/out.npy"
    try NPYFile.write(values, shape: shape, to: path)
    let bytes = contents(path)
    let dataStart = bytes.count - 4 * values.count
    #expect(dataStart % 64 == 0 && bytes[dataStart - 1] == UInt8(ascii: "\n"))
    if values.isEmpty {
      expectFailure(.badData, "declares the shape [0, 4]: no data") { _ = try InputFile.read(path) }
    } else {
      let read = try InputFile.read(path)
      #expect([read.sampleCount] + read.sampleShape == shape && read.values == .float32(values))
    }
  }

  @Test(.enabled(if: python(with: "numpy") != nil, "no Python with NumPy"))
  func numPyReadsWhatIsWritten() throws {
    let path = folder.path + "/out.npy"
    try NPYFile.write([0.1, 2, -3, 4, 5, 6], shape: [3, 2], to: path)
    let script = "import numpy, sys; a = numpy.load(sys.argv[1]); print(a.dtype, a.tolist())"
    let outcome = try run([try #require(python(with: "numpy")), "-c", script, path])
    #expect(
      outcome.stdout == "float32 [[0.10000000149011612, 2.0], [-3.0, 4.0], [5.0, 6.0]]\n")
  }

  @Test func whatCannotBeWrittenIsNamed() {
    expectFailure(.ioError, "cannot make \(folder.path)/none/x.npy: No such file or directory") {
      try NPYFile.write([1], shape: [1], to: folder.path + "/none/x.npy")
    }
    expectFailure(.ioError, "cannot write /dev/full: No space left on device") {
      try NPYFile.write([1], shape: [1], to: "/dev/full")
    }
  }

  // MARK: - Malformed NPY

  @Test(arguments: [
    (
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
      "declares the shape [1] of f8, 8 bytes, but 4 follow"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "declares the shape []: one number"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0), }",
      "declares the shape [3, 0]: no data"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1), }",
      "declares a shape of 8 axes; at most 7 are read"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }",
      "more than any file holds"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
      "at byte 61, an extent is expected"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
      "at byte 61, an extent is expected, found \"-1,), }\""
    ),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2), }", "at byte 63, \")\" is expected"),
    (
      "{'descr': '<f4', 'fortran_order': false, 'shape': (1,), }",
      "at byte 44, True or False is expected"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, }",
      "at byte 10, descr, fortran_order and shape is expected"
    ),
    ("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", "at byte 27, one of descr"),
    ("{'descr': '<f4', 'order': False, 'shape': (1,), }", "at byte 27, one of descr"),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
      "at byte 68, the end of the header is expected"
    ),
    ("{'descr': '<f4", "at byte 20, a type in quotes is expected"),
    ("", "at byte 10, \"{\" is expected, found its end"),
    (
      "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
      "the type \"|O\" at byte 20; read are"
    ),
    ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "the type \"<c8\" at byte 20"),
    ("{'descr': '|f4', 'fortran_order': False, 'shape': (1,), }", "the type \"|f4\" at byte 20"),
    (
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
      "a structured type at byte 20"
    ),
  ])
  func malformedHeadersAreOneErrorWithTheirPlace(header: String, message: String) {
    let path = folder.write("x.npy", npy(header, [0, 0, 0x80, 0x3f]))
    expectFailure(.badData, path, message) { _ = try InputFile.read(path) }
  }

  @Test func filesThatAreNoNPYAreRefused() {
    let good = npy("<f4", "(1,)", [0, 0, 0x80, 0x3f])
    func expect(_ bytes: [UInt8], _ message: String, remedy: String = "") {
      let path = folder.write("x.npy", bytes)
      expectFailure(.badData, path, message, remedy: remedy) { _ = try InputFile.read(path) }
    }
    expect([], "is empty")
    expect(Array("PK\u{3}\u{4}....".utf8), "byte 0 is 0x50, not 0x93", remedy: "numpy.save")
    expect(npy("{}", [], version: [4, 0]), "NPY version 4.0 at byte 6")
    for end in [3, 7, 9, 40] {
      expect(Array(good[..<end]), "ends at byte \(end), inside its NPY header")
    }
    expect(Array(good.dropLast()), "4 bytes, but 3 follow the header", remedy: "again")
    expect(good + [0], "4 bytes, but 5 follow the header")
    expect(
      Array(good[..<6]) + [2, 0, 0, 0, 0, 1] + good, "NPY header of 16777216 bytes at byte 8")
  }

  @Test func numbersThatCannotBeUsedAreNamedWithTheirPlace() throws {
    func place(_ bits: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
    }
    let ones = place(Float(1).bitPattern)
    let nan = npy("<f4", "(2, 2)", ones + ones + ones + place(Float.nan.bitPattern))
    let path = folder.write("x.npy", nan)
    expectFailure(
      .badData, "\(path): sample 1, number 1 (byte \(nan.count - 4)) is nan", remedy: "the sample"
    ) { _ = try InputFile.read(path) }
    let large = folder.write("x.npy", npy("<f8", "(1,)", [0, 0, 0, 0, 0, 0, 0xf0, 0x7e]))
    expectFailure(.badData, "sample 0, number 0", "no finite float32") {
      _ = try InputFile.read(large)
    }
  }

  @Test func classesThatAreNoneAreNamedWithTheirPlace() {
    let x = folder.write("x.npy", npy("|u1", "(2,)", [7, 8]))
    func expect(_ y: [UInt8], _ message: String, classCount: Int? = nil) {
      let path = folder.write("y.npy", y)
      expectFailure(.badData, path, message, remedy: "from 0") {
        _ = try NPYSource(
          inputs: x, targets: path, targetKind: .classIndex, classCount: classCount)
      }
    }
    let start = npy("|i1", "(2,)", []).count
    expect(npy("|i1", "(2,)", [0, 0xff]), "sample 1 (byte \(start + 1)) has the class -1, where")
    expect(
      npy("|i1", "(2,)", [3, 0]), "the class 3, where whole numbers in 0 ... 2", classCount: 3)
    expect(
      npy("<f4", "(2,)", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x3f]),
      "sample 1 (byte \(start + 4)) has the class 0.5")
    expect(
      npy("<u4", "(2,)", [0, 0, 1, 0, 0, 0, 0, 0]),
      "the class 65536, where whole numbers in 0 ... 65535")
    expect(npy("<f4", "(2,)", [0, 0, 0xc0, 0x7f, 0, 0, 0, 0]), "the class nan")
  }

  @Test func inputsAndTargetsMustBeAsMany() {
    let x = folder.write("x.npy", npy("|u1", "(2,)", [7, 8]))
    let y = folder.write("y.npy", npy("|u1", "(3,)", [7, 8, 9]))
    expectFailure(.badData, "\(x) holds 2 samples, but \(y) holds 3", remedy: "same samples") {
      _ = try NPYSource(inputs: x, targets: y, targetKind: .number)
    }
    expectFailure(.inputMissing, "cannot open \(folder.path)/none.npy") {
      _ = try NPYSource(inputs: folder.path + "/none.npy", targets: y, targetKind: .number)
    }
  }

  // MARK: - Malformed NPZ

  /// One array of a zip archive; `change` spoils its bytes, given where the directory and the end
  /// record begin.
  private func archive(
    method: UInt8 = 0, _ change: (inout [UInt8], Int, Int) -> Void = { _, _, _ in }
  ) -> String {
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    let data = npy("<f4", "(2,)", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
    let checksum = Int(crc32(0, data, UInt32(data.count)))
    // Deflated without packing: one last stored block (RFC 1951, 3.2.4).
    let body = method == 8 ? [1] + little(data.count, 2) + little(~data.count, 2) + data : data
    let name = Array("x.npy".utf8)
    let common =
      [20, 0, 0, 0, method, 0, 0, 0, 0, 0] + little(checksum, 4) + little(body.count, 4)
      + little(data.count, 4) + little(name.count, 2) + [0, 0]
    var bytes: [UInt8] = [0x50, 0x4b, 3, 4] + common + name + body
    let directory = bytes.count
    bytes += [0x50, 0x4b, 1, 2, 20, 0] + common + [UInt8](repeating: 0, count: 14) + name
    let end = bytes.count
    bytes += [0x50, 0x4b, 5, 6, 0, 0, 0, 0, 1, 0, 1, 0] + little(end - directory, 4)
    bytes += little(directory, 4) + [0, 0]
    change(&bytes, directory, end)
    return folder.write("x.npz", bytes)
  }

  @Test(arguments: [UInt8(0), 8]) func archiveOfTheTestsIsGood(method: UInt8) throws {
    #expect(try InputFile.read(archive(method: method)).values == .float32([1, 2]))
    let commented = archive(method: method) { bytes, _, end in
      bytes[end + 20] = 3
      bytes += [1, 2, 3]
    }
    #expect(try InputFile.read(commented).sampleCount == 2)
  }

  @Test(arguments: [UInt8(0), 8])
  func damagedArchivesAreOneErrorWithTheirPlace(method: UInt8) {
    func expect(
      _ message: String, remedy: String = "", _ change: (inout [UInt8], Int, Int) -> Void
    ) {
      let path = archive(method: method, change)
      expectFailure(.badData, path, message, remedy: remedy) { _ = try InputFile.read(path) }
    }
    expect("no end of a zip archive", remedy: "numpy.savez") { bytes, _, _ in bytes.removeLast() }
    expect("no end of a zip archive") { bytes, _, _ in bytes = [1, 2, 3] }
    expect("over several files") { bytes, _, end in bytes[end + 8] = 2 }
    expect("does not end where the end record begins") { bytes, _, end in bytes[end + 16] ^= 1 }
    expect("zip64 is not read", remedy: "numpy.save") { bytes, _, end in
      for i in 8..<12 { bytes[end + i] = 0xff }
    }
    expect("zip64 is not read") { bytes, directory, _ in
      for i in 24..<28 { bytes[directory + i] = 0xff }
    }
    expect("no entry 0 of the zip directory at byte") { bytes, directory, _ in
      bytes[directory] = 0
    }
    expect("no entry 1 of the zip directory") { bytes, _, end in
      bytes[end + 8] = 2
      bytes[end + 10] = 2
    }
    expect("entry 0 of the zip directory goes past its end") { bytes, directory, _ in
      bytes[directory + 28] = 200
    }
    expect("array \"x\" is encrypted") { bytes, directory, _ in bytes[directory + 8] = 1 }
    expect("packed by zip method 12; 0 and 8") { bytes, directory, _ in
      bytes[directory + 10] = 12
    }
    expect("has no zip header at byte 1") { bytes, directory, _ in bytes[directory + 42] = 1 }
    expect("has no zip header at byte 16711680") { bytes, directory, _ in
      bytes[directory + 44] = 0xff
    }
    expect("goes past its place") { bytes, directory, _ in bytes[directory + 22] = 1 }
    expect(method == 0 ? "are stored" : "bytes, but") { bytes, directory, _ in
      bytes[directory + 24] += 1
    }
    expect("where \(method == 0 ? 76 : 81) are stored") { bytes, directory, _ in
      bytes[directory + 26] = 0xff
    }
    expect("does not have the CRC-32") { bytes, directory, _ in bytes[directory + 16] ^= 1 }
    expect("does not have the CRC-32") { bytes, directory, _ in bytes[directory - 2] ^= 1 }
    expect("has no array \"x\"; it has \"y\"") { bytes, directory, end in
      bytes[directory + 46] = UInt8(ascii: "y")
    }
    if method == 8 {
      expect("is damaged near byte") { bytes, _, _ in bytes[36] ^= 0xff }  // the block's length
      expect("is cut short at byte") { bytes, directory, _ in bytes[directory + 20] -= 8 }
      // Declared size and shape agree, but more or less is packed.
      func resize(_ bytes: inout [UInt8], _ directory: Int, to extent: UInt8) {
        bytes[directory + 24] = bytes[directory + 24] &+ 4 &* extent &- 8
        let two = bytes.firstRange(of: Array("(2,)".utf8))!.lowerBound + 1
        bytes[two] = UInt8(ascii: "0") + extent
      }
      expect("ends at byte 76 of the 80 declared") { bytes, directory, _ in
        resize(&bytes, directory, to: 3)
      }
      expect("holds more than the 72 bytes declared") { bytes, directory, _ in
        resize(&bytes, directory, to: 1)
      }
    }
  }
}
