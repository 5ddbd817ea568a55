import Datasets
import TestSupport
import Testing

/// A source's digest: of everything that its samples come from, whoever keeps which of them.
struct SourceDigestTests {
  let folder = TemporaryFolder()

  /// The files of a source of some kind, and how it is opened.
  private struct Kind {
    let files: [String: [UInt8]]
    let open: () throws -> any SampleSource
  }

  private func kind(_ name: String) -> Kind {
    let path = { (file: String) in folder.path + "/" + file }
    switch name {
    case "idx":
      return Kind(files: ["x": idx([9, 4, 5], noise(180)), "y": idx([9], [UInt8](0..<9))]) {
        try ImageStream(images: path("x"), labels: path("y"), classCount: 256)
      }
    case "npy":
      let values = (0..<60).map { Float($0) / 7 }
      return Kind(
        files: ["x": npy([20, 2], Array(values[..<40])), "y": npy([20, 1], Array(values[40...]))]
      ) {
        try NPYSource(inputs: path("x"), targets: path("y"), targetKind: .number)
      }
    case "csv":
      let text = "a,b,t\n1,2,3\n4,,6\n7,8,9\n10,11,12\n13,,15\n"
      return Kind(files: ["x": Array(text.utf8)]) {
        try CSVReader(
          path: path("x"),
          options: CSVOptions(targetColumn: "t", targetKind: .number, missing: .drop))
      }
    default:
      let images = (0..<3).map { png(width: 3, height: 2, noise(6, seed: UInt64($0))) }
      return Kind(
        files: ["data/a/1.png": images[0], "data/a/2.png": images[1], "data/b/1.png": images[2]]
      ) { try PNGFolder(root: path("data"), split: .train) }
    }
  }

  private func write(_ files: [String: [UInt8]]) {
    for (name, bytes) in files { folder.write(name, bytes) }
  }

  private func digest(
    _ kind: Kind, where isWanted: (Int) -> Bool = { _ in true }
  ) throws -> UInt64 {
    let source = try kind.open()
    _ = try SamplesRead(source, where: isWanted)
    return try #require(source.digest)
  }

  @Test(arguments: ["idx", "npy", "csv", "png"])
  func digestIsTheSameWhicheverSamplesAreRead(name: String) throws {
    let kind = kind(name)
    write(kind.files)
    let whole = try digest(kind)
    #expect(try digest(kind) { _ in false } == whole)
    #expect(try digest(kind) { $0 % 2 == 1 } == whole)
  }

  /// Bytes that the format itself does not defend.
  @Test(arguments: [
    ("idx", "x", 16...195), ("idx", "y", 8...16), ("npy", "x", 128...287),
    ("npy", "y", 128...207), ("csv", "x", 6...38),
  ])
  func anyOtherByteIsAnotherDigest(name: String, file: String, places: ClosedRange<Int>) throws {
    let kind = kind(name)
    write(kind.files)
    let whole = try digest(kind)
    var changed = kind.files[file]!
    var count = 0
    for place in places
    where name != "csv" || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(changed[place]) {
      changed[place] ^= 1
      folder.write(file, changed)
      // No sample is kept: that of another rank.
      #expect(try digest(kind) { _ in false } != whole, "byte \(place)")
      changed[place] ^= 1
      count += 1
    }
    #expect(count >= 9)
  }

  @Test func anotherImageOrClassIsAnotherDigest() throws {
    let kind = kind("png")
    write(kind.files)
    let whole = try digest(kind)
    folder.write("data/b/1.png", png(width: 3, height: 2, noise(6, seed: 9)))
    #expect(try digest(kind) { _ in false } != whole)
    write(kind.files)
    // The same images, one in the other class.
    try #require(
      try run(["mv", folder.path + "/data/a/2.png", folder.path + "/data/b/0.png"]).status == 0)
    #expect(try digest(kind) { _ in false } != whole)
  }

  @Test func gzippedFilesHaveTheDigestOfTheirContents() throws {
    let files = ["x": idx([300, 28, 28], noise(300 * 784)), "y": idx([300], noise(300))]
    let kind = Kind(files: files, open: kind("idx").open)
    write(files)
    let whole = try digest(kind)
    write(files.mapValues(gzipped))
    #expect(try digest(kind) == whole)
  }

  @Test func madeSamplesHaveNone() throws {
    let source = ArraySource.noise(inputCount: 3, targetCount: 1, count: 5, seed: 1)
    _ = try SamplesRead(source)
    #expect(source.digest == nil)
  }
}
