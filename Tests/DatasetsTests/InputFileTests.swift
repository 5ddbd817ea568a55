import Datasets
import System
import TestSupport
import Testing

/// NPY, NPZ and PNG inputs are read by the tests of their sources.
struct InputFileTests {
  let folder = TemporaryFolder()

  @Test func everyColumnOfCSVIsAnInput() throws {
    let named = try InputFile.read(folder.write("a.csv", "a,b\n1,2\n3,4\n5,6\n"))
    #expect(named.sampleCount == 3 && named.sampleShape == [2] && named.type == .float32)
    #expect(named.values == .float32([1, 2, 3, 4, 5, 6]))
    let bare = folder.write("b.csv", "1;2\n3;4\n")
    #expect(try InputFile.read(bare, separator: ";").values == .float32([1, 2, 3, 4]))
    // A gap in the first line does not make it a header.
    expectFailure(.badData, "c.csv:1: column 1 has no value") {
      _ = try InputFile.read(folder.write("c.csv", "1,\n3,4\n"))
    }
    expectFailure(.badData, "d.csv:1: column 0 has \"a\", which is not a number") {
      _ = try InputFile.read(folder.write("d.csv", "a,b\n1,2\n"), hasHeader: false)
    }
    expectFailure(.badData, "b.csv:1: numbers, where the header's names are expected") {
      _ = try InputFile.read(bare, hasHeader: true, separator: ";")
    }
    expectFailure(.badData, "e.csv has no row") {
      _ = try InputFile.read(folder.write("e.csv", "a,b\n"))
    }
  }

  @Test func imagesOfIDXGetAChannelAxis() throws {
    let data = noise(3 * 4 * 5)
    for bytes in [idx([3, 4, 5], data), gzipped(idx([3, 4, 5], data))] {
      let read = try InputFile.read(folder.write("images-idx3-ubyte", bytes))
      #expect(read.sampleCount == 3 && read.sampleShape == [1, 4, 5])
      #expect(read.values == .uint8(data))
    }
    #expect(
      try InputFile.read(folder.write("f", idx([3, 4, 5, 2], noise(120)))).sampleShape == [4, 5, 2])
    #expect(try InputFile.read(folder.write("f", idx([7], noise(7)))).sampleShape == [])
    expectFailure(.badData, "is not an IDX file") {
      _ = try InputFile.read(folder.write("table.txt", "1,2\n"))
    }
  }

  @Test func imageStreamIsASource() throws {
    let data = noise(6 * 12)
    let images = folder.write("images", idx([6, 3, 4], data))
    let labels = folder.write("labels", gzipped(idx([6], [0, 2, 1, 2, 0, 1])))
    func open(classCount: Int = 3) throws -> ImageStream {
      try ImageStream(images: images, labels: labels, classCount: classCount)
    }
    let source = try open()
    #expect(source.name == images && source.sampleCount == 6)
    #expect(source.inputShape == [1, 3, 4] && source.inputType == .uint8)
    #expect(source.targetShape == [] && source.targetType == .classIndex(count: 3))
    let samples = try SamplesRead(source)
    #expect(samples.inputs == data.map { Float($0) } && samples.targets == [0, 2, 1, 2, 0, 1])
    let some = try SamplesRead(open()) { $0 == 3 }
    #expect(some.inputs == data[36..<48].map { Float($0) } && some.targets == [2])
    // A label is checked where its sample is passed over, too.
    expectFailure(.badData, "sample 1 (byte 9 of the uncompressed data) has the label 2") {
      _ = try SamplesRead(open(classCount: 2)) { _ in false }
    }
  }

  @Test func arraysAreReadFrontToBack() throws {
    func source() -> ArraySource {
      ArraySource(
        name: "three", inputs: [1, 2, 3, 4, 5, 6], inputShape: [2],
        targets: .classes([2, 0, 1], count: 3), targetShape: [])
    }
    #expect(try SamplesRead(source()).inputs == [1, 2, 3, 4, 5, 6])
    let some = try SamplesRead(source()) { $0 != 1 }
    #expect(some.inputs == [1, 2, 5, 6] && some.targets == [2, 1])
  }
}
