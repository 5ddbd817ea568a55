import Datasets
import System
import TestSupport
import Testing

/// Rows 43 and 44: headers that promise what is not there, and gzip data made to harm, are one error
/// each; memory follows the bytes that are there.
@Suite struct LyingFileTests {
  let folder = TemporaryFolder()

  @Test func thereAreThirty() { #expect(lyingIDX.count >= 30) }

  @Test(arguments: lyingIDX)
  func lyingFileIsOneErrorWithDeclaredAndRealBytes(file: HostileFile) {
    let path = folder.write("lying", file.bytes)
    expectFailure(.badData, path, file.message) { _ = try InputFile.read(path) }
  }

  @Test func lyingFilesTakeNoMemory() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      var paths = lyingIDX.enumerated().map { folder.write("\($0)", $1.bytes) }
      paths += lyingIDX.enumerated().map { folder.write("\($0).gz", gzipped($1.bytes)) }
      let before = peakMemoryBytes()
      for path in paths { #expect(throws: Failure.self) { _ = try InputFile.read(path) } }
      #expect(peakMemoryBytes() - before < 16 << 20)
    }
  }

  /// Noise cannot be packed: a megabyte of it could be a thousand times as much, and the header says
  /// so.
  @Test func packedFileThatPromisesAGigabyteTakesWhatItHolds() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let path = folder.write("liar.gz", gzipped(idx([1_000_000, 1000], noise(1 << 20))))
      let before = peakMemoryBytes()
      expectFailure(
        .badData,
        "declares 1000000 x 1000, which with the header makes 1000000012 uncompressed bytes",
        "it ends at byte 1048588 of the uncompressed data"
      ) { _ = try InputFile.read(path) }
      #expect(peakMemoryBytes() - before < 64 << 20)
    }
  }

  /// As a data set, whose samples are counted before any is read.
  @Test func packedDataSetThatPromisesABillionSamplesTakesWhatItHolds() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let images = folder.write("images.gz", gzipped(idx([1_000_000_000, 1], noise(1 << 20))))
      let labels = folder.write("labels.gz", gzipped(idx([1_000_000_000], noise(1 << 20))))
      let before = peakMemoryBytes()
      expectFailure(.badData, labels, "it ends at byte 1048584 of the uncompressed data") {
        _ = try ImageStream(images: images, labels: labels, classCount: 256)
      }
      #expect(peakMemoryBytes() - before < 64 << 20)
    }
  }

  /// What follows the declared data is not even unzipped.
  @Test func bombBehindTheDataIsNotUnzipped() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let path = folder.write("bomb.gz", gzipBomb(idx([10], noise(10)), zeros: 1 << 30))
      let before = peakMemoryBytes()
      expectFailure(.badData, "makes 18 uncompressed bytes, but it goes on after byte 17") {
        _ = try InputFile.read(path)
      }
      #expect(peakMemoryBytes() - before < 16 << 20)
    }
  }

  @Test func bombOfMembersIsOneOfAThousandTimesItsSize() {
    let bomb = gzipBomb([], zeros: 1 << 30)
    #expect(bomb.count < 3 << 19 && bomb.count > 1 << 20 - 1 << 16)
  }
}
