import Datasets
import Glibc
import System
import TestSupport
import Testing

struct PNGFolderTests {
  let folder = TemporaryFolder()
  private let recorded: RecordedFiles
  init() throws { recorded = try golden("files.json") }

  private func png(_ name: String) throws -> RecordedFiles.PNG {
    try #require(recorded.png.first { $0.name == name })
  }
  private func file(_ name: String) throws -> [UInt8] { bytes(hex: try png(name).bytes) }

  @Test func imagesOfPILReadBackAsStored() throws {
    var readable = 0
    for image in recorded.png where image.pixels != nil {
      let path = folder.write("image.png", bytes(hex: image.bytes))
      let read = try InputFile.read(path)
      #expect(read.sampleCount == 1 && read.sampleShape == image.shape, "\(image.name)")
      #expect(read.values == .uint8(try #require(image.pixels)), "\(image.name)")
      readable += 1
    }
    #expect(readable == 6)
  }

  @Test(arguments: ["", "train/"])
  func classesAreFoldersInOrderOfBytes(below: String) throws {
    let gray = try file("gray")
    let bit = try file("1 bit")
    folder.write(below + "b/2.png", gray)
    folder.write(below + "b/10.PNG", bit)
    folder.write(below + "a/x.png", bit)
    folder.write(below + "Z/x.png", gray)
    folder.write(below + "Z/.hidden", [1])
    folder.write(below + "notes.txt", [1])
    let (grayPixels, bitPixels) = (try png("gray").pixels!, try png("1 bit").pixels!)

    func open() throws -> PNGFolder { try PNGFolder(root: folder.path, split: .train) }
    let source = try open()
    #expect(source.classNames == ["Z", "a", "b"] && source.sampleCount == 4)
    #expect(source.inputShape == [1, 5, 7] && source.inputType == .uint8)
    #expect(source.targetType == .classIndex(count: 3) && source.targetShape == [])
    let samples = try SamplesRead(source)
    #expect(samples.inputs == (grayPixels + bitPixels + bitPixels + grayPixels).map { Float($0) })
    #expect(samples.targets == [0, 1, 2, 2])
    let some = try SamplesRead(open()) { $0 == 3 }
    #expect(some.inputs == grayPixels.map { Float($0) } && some.targets == [2])
  }

  @Test func splitsAreFoldersOfTheirOwn() throws {
    let rgb = try file("rgb")
    for name in ["train/a/1.png", "train/b/1.png", "train/c/1.png", "test/c/1.png", "test/a/2.png"]
    {
      folder.write(name, rgb)
    }
    #expect(PNGFolder.has(.test, in: folder.path) && PNGFolder.has(.train, in: folder.path))
    #expect(!PNGFolder.has(.validation, in: folder.path))
    let train = try PNGFolder(root: folder.path, split: .train)
    let test = try PNGFolder(root: folder.path, split: .test, classNames: train.classNames)
    #expect(test.sampleCount == 2 && test.inputShape == [3, 5, 7])
    #expect(test.targetType == .classIndex(count: 3))
    #expect(try SamplesRead(test).targets == [0, 2])
    expectFailure(.inputMissing, "no folder \(folder.path)/validation") {
      _ = try PNGFolder(root: folder.path, split: .validation)
    }
    expectFailure(
      .badData, "\(folder.path)/test/c is the folder of no class; the classes are a, b",
      remedy: "train with that class"
    ) { _ = try PNGFolder(root: folder.path, split: .test, classNames: ["a", "b"]) }
  }

  @Test func foldersThatAreNoneAreNamed() throws {
    func expect(_ status: Failure.Status, _ message: String, split: Split = .train, in name: String)
    {
      expectFailure(status, message) {
        _ = try PNGFolder(root: folder.path + name, split: split)
      }
    }
    expect(.inputMissing, "no folder \(folder.path)/none", in: "/none")
    folder.write("flat/a.png", try file("gray"))
    expect(.badData, "\(folder.path)/flat has no folder of a class", in: "/flat")
    expect(.inputMissing, "no folder \(folder.path)/flat/test", split: .test, in: "/flat")
    folder.write("empty/a/.keep", [1])
    expect(.badData, "\(folder.path)/empty/a has no image", in: "/empty")
    folder.write("mixed/a/1.png", try file("gray"))
    folder.write("mixed/a/2.jpg", [1])
    expect(.badData, "mixed/a/2.jpg is among the images and no .png", in: "/mixed")
    folder.write("bytes/a/1.png", try file("gray"))
    let name = Array((folder.path + "/bytes/a/").utf8) + [0xe9] + Array(".png\0".utf8)
    close(
      name.withUnsafeBytes { creat($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o600) })
    expect(.badData, "the name is not UTF-8", in: "/bytes")
  }

  @Test func imagesOfAnotherSizeOrKindAreNamedWithTheFirst() throws {
    folder.write("a/1.png", try file("gray"))
    folder.write("a/2.png", try file("rgb"))
    let source = try PNGFolder(root: folder.path, split: .train)
    expectFailure(
      .badData, "/a/2.png is 7 x 5 RGB, but \(folder.path)/a/1.png is 7 x 5 gray",
      remedy: "one size and kind"
    ) { _ = try SamplesRead(source) }
    // What is passed over is not opened.
    let passed = try PNGFolder(root: folder.path, split: .train)
    #expect(try SamplesRead(passed) { $0 == 0 }.targets == [0])
  }

  @Test(arguments: [
    ("16 bits", "16 bits a channel (byte 24)"), ("alpha", "an alpha channel (byte 25)"),
    ("transparent colour", "transparent colours (byte 33)"),
  ])
  func kindsThatAreNotReadAreNamed(name: String, message: String) throws {
    let path = folder.write("image.png", try file(name))
    expectFailure(.badData, path, message, remedy: "convert the image") {
      _ = try InputFile.read(path)
    }
  }

  @Test func damagedImagesAreOneErrorWithTheirPlace() throws {
    let good = try file("gray")
    func expect(_ message: String, _ change: (inout [UInt8]) -> Void) {
      var bytes = good
      change(&bytes)
      let path = folder.write("image.png", bytes)
      expectFailure(.badData, path, message) { _ = try InputFile.read(path) }
    }
    expect("is empty") { $0 = [] }
    expect("byte 0 is 0xff, not 0x89") { $0[0] = 0xff }
    expect("byte 3 is its end") { $0 = Array($0[..<3]) }
    expect("ends at byte 20 in its header") { $0 = Array($0[..<20]) }
    expect("no header IHDR at byte 8") { $0[12] ^= 1 }
    expect("declares 0 x 5 pixels") { $0[19] = 0 }
    expect("declares 4278190087 x 5 pixels at byte 16; 1 to 16777216") { $0[16] = 0xff }
    expect("declares 4278190087 x 4278190085 pixels") {
      $0[16] = 0xff
      $0[20] = 0xff
    }
    // 16 million pixels in some 80 bytes.
    expect("declares 4096 x 4096 pixels at byte 16, which \(good.count) bytes cannot hold") {
      $0.replaceSubrange(16..<24, with: [0, 0, 16, 0, 0, 0, 16, 0])
    }
    expect("unknown colour type 5 at byte 25") { $0[25] = 5 }
    expect("libpng says \"IHDR: CRC error\"") { $0[29] ^= 1 }
    expect("libpng says \"IDAT: CRC error\"") { $0[$0.count - 13] ^= 1 }
    expect("inside the chunk at byte 33") { $0 = Array($0.dropLast(20)) }
    expect("inside the chunk at byte \(good.count - 12)") { $0.removeLast() }
    expect("ends at byte \(good.count), inside the chunk at byte 33") { $0[33] = 0x7f }
    expect("libpng says") {
      $0.replaceSubrange(41..<$0.count - 16, with: [])
      $0[36] = 0
    }
    expectFailure(.inputMissing, "cannot open \(folder.path)/none.png") {
      _ = try InputFile.read(folder.path + "/none.png")
    }
  }
}
