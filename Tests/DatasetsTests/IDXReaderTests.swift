import CZlib
import Datasets
import Glibc
import System
import TestSupport
import Testing

struct IDXReaderTests {
  let folder = TemporaryFolder()

  /// All items, read in pieces, and the check of the end.
  private func readAll(_ path: String, piece: Int = 7) throws -> [UInt8] {
    let reader = try IDXReader(path: path)
    var bytes = [UInt8](repeating: 0, count: reader.itemCount * reader.itemByteCount)
    try bytes.withUnsafeMutableBytes { bytes in
      for first in stride(from: 0, to: reader.itemCount, by: piece) {
        let target = bytes.baseAddress! + first * reader.itemByteCount
        try reader.readItems(min(piece, reader.itemCount - first), into: target)
      }
    }
    try reader.finish()
    return bytes
  }

  @Test(arguments: [[5], [40, 3], [1000, 28, 28], [3, 2, 5, 7], [1, 300_000]])
  func plainAndGzippedFilesReadBackWhole(dims: [Int]) throws {
    let data = noise(dims.reduce(1, *))
    for bytes in [idx(dims, data), gzipped(idx(dims, data))] {
      let path = folder.write("file", bytes)
      let reader = try IDXReader(path: path)
      #expect(reader.dims == dims)
      #expect(reader.itemCount == dims[0])
      #expect(reader.itemByteCount == dims.dropFirst().reduce(1, *))
      #expect(try readAll(path) == data)
    }
  }

  @Test func skippedItemsArePassedOver() throws {
    let data = noise(900 * 784)
    for bytes in [idx([900, 28, 28], data), gzipped(idx([900, 28, 28], data))] {
      let reader = try IDXReader(path: folder.write("file", bytes))
      var item = [UInt8](repeating: 0, count: 784)
      try reader.skipItems(850)
      try reader.readItems(1, into: &item)
      #expect(item == Array(data[850 * 784..<851 * 784]))
      try reader.skipItems(49)
      try reader.finish()
    }
  }

  @Test func gzipDataMayHaveSeveralMembers() throws {
    let bytes = idx([100], noise(100))
    let path = folder.write("file.gz", gzipped(Array(bytes[..<30])) + gzipped(Array(bytes[30...])))
    #expect(try readAll(path) == noise(100))
  }

  @Test func whatCannotBeOpenedIsNamedWithItsReason() {
    expectFailure(.inputMissing, "cannot open \(folder.path)/none", "No such file or directory") {
      _ = try IDXReader(path: folder.path + "/none")
    }
  }

  @Test func foldersAndPipesAreRefused() {
    expectFailure(.badData, "\(folder.path) is a folder") { _ = try IDXReader(path: folder.path) }
    let pipe = folder.path + "/pipe"
    mkfifo(pipe, 0o600)
    expectFailure(.badData, "\(pipe) is not a regular file") { _ = try IDXReader(path: pipe) }
  }

  @Test func emptyFileIsRefused() {
    let path = folder.write("empty", [])
    expectFailure(.badData, "\(path) is empty") { _ = try IDXReader(path: path) }
  }

  /// The kernel gives EIO for the first page of a process's memory, which is never mapped.
  @Test func failingReadIsAnIOErrorWithItsReason() {
    expectFailure(.ioError, "/proc/self/mem: reading failed at byte 0: Input/output error") {
      _ = try IDXReader(path: "/proc/self/mem")
    }
  }

  @Test(arguments: [1, 3, 4, 9, 15])
  func headerCutShortNamesTheByte(length: Int) {
    let header = Array(idx([2, 2, 2], [])[..<length])
    let plain = folder.write("cut", header)
    expectFailure(.badData, "\(plain) ends at byte \(length), inside its IDX header") {
      _ = try IDXReader(path: plain)
    }
    let zipped = folder.write("cut.gz", gzipped(header))
    expectFailure(.badData, "\(zipped) ends at byte \(length) of the uncompressed data") {
      _ = try IDXReader(path: zipped)
    }
  }

  @Test func otherFormatsAreRefused() {
    let html = folder.write("page", Array("<!DOCTYPE html>".utf8))
    expectFailure(.badData, "\(html) is not an IDX file: byte 0 is 0x3c") {
      _ = try IDXReader(path: html)
    }
    let second = folder.write("second", [0, 0x0a, 8, 1, 0, 0, 0, 1, 0])
    expectFailure(.badData, "byte 1 is 0x0a") { _ = try IDXReader(path: second) }
  }

  @Test func elementTypesOtherThanUInt8AreRefused() {
    let path = folder.write("floats", idx([1], [0, 0, 0, 0], elementType: 0x0d))
    expectFailure(.badData, path, "element type 0x0d at byte 2") { _ = try IDXReader(path: path) }
  }

  @Test(arguments: [0, 5, 255])
  func axisCountsOutsideOneToFourAreRefused(count: Int) {
    let path = folder.write("axes", idx(Array(repeating: 1, count: count), [1]))
    expectFailure(.badData, "\(path) declares \(count) axes at byte 3; 1 to 4 are read") {
      _ = try IDXReader(path: path)
    }
  }

  @Test func extentOfZeroIsRefused() {
    let none = folder.write("none", idx([0, 28, 28], []))
    expectFailure(.badData, "\(none) declares 0 x 28 x 28", "axis 0 at byte 4 is 0") {
      _ = try IDXReader(path: none)
    }
    let flat = folder.write("flat", idx([3, 28, 0], []))
    expectFailure(.badData, "axis 2 at byte 12 is 0") { _ = try IDXReader(path: flat) }
  }

  @Test func overflowingProductIsRefused() {
    let extent = 0xffff_ffff
    let path = folder.write("huge", idx([extent, extent, extent, extent], []))
    expectFailure(
      .badData, path, "4294967295 x 4294967295 x 4294967295 x 4294967295", "at byte 4",
      "the file has 20 bytes"
    ) { _ = try IDXReader(path: path) }
    // 2^64 wraps to 0 and 2^62 leaves no room for the header: both must be seen.
    for dims in [[1 << 31, 1 << 31, 4], [1 << 31, 1 << 31, 1]] {
      expectFailure(.badData, "more than any file holds") {
        _ = try IDXReader(path: folder.write("wrap", idx(dims, [])))
      }
    }
  }

  @Test func plainFileMustHaveTheDeclaredSize() {
    let short = folder.write("short", idx([10, 4], noise(39)))
    expectFailure(
      .badData, "\(short) declares 10 x 4, which with the header makes 52 bytes",
      "it ends at byte 51"
    ) { _ = try IDXReader(path: short) }
    let long = folder.write("long", idx([10, 4], noise(41)))
    expectFailure(.badData, "makes 52 bytes", "it goes on to byte 53") {
      _ = try IDXReader(path: long)
    }
  }

  @Test func plainFileThatShrinksWhileReadIsNoticed() throws {
    let path = folder.write("shrinking", idx([1000, 784], noise(784_000)))
    let reader = try IDXReader(path: path)
    truncate(path, 600_000)
    expectFailure(.badData, "makes 784012 bytes", "it ends at byte 600000") {
      try reader.skipItems(1000)
    }
  }
}

struct IDXReaderGzipTests {
  let folder = TemporaryFolder()

  private func readAll(_ path: String) throws {
    let reader = try IDXReader(path: path)
    try reader.skipItems(reader.itemCount)
    try reader.finish()
  }

  @Test func truncatedGzipNamesTheByte() {
    let whole = gzipped(idx([500, 784], noise(500 * 784)))
    for length in [2, 9, 400, 300_000, whole.count - 9, whole.count - 8, whole.count - 1] {
      let path = folder.write("cut.gz", Array(whole[..<length]))
      expectFailure(.badData, "\(path): the gzip data are cut short at byte \(length), after ") {
        try readAll(path)
      }
    }
    let path = folder.write("cut.gz", Array(whole[..<(whole.count - 1)]))
    expectFailure(.badData, "after 392012 uncompressed bytes") { try readAll(path) }
  }

  @Test func wrongSumsInTheGzipTrailerAreNamed() {
    let good = gzipped(idx([500], noise(500)))
    for (back, reason) in [(5, "incorrect data check"), (1, "incorrect length check")] {
      var bad = good
      bad[bad.count - back] ^= 0x10
      let path = folder.write("sum.gz", bad)
      expectFailure(
        .badData, "\(path): the gzip data are damaged near byte", reason,
        "after 508 uncompressed bytes"
      ) { try readAll(path) }
    }
  }

  @Test func damageInsideTheGzipDataIsNoticedWhereverItIs() {
    let data = (0..<5000).map { UInt8($0 / 7 % 11) }
    let good = gzipped(idx([5000], data))
    for byte in stride(from: 10, to: good.count, by: 3) {
      var bad = good
      bad[byte] ^= 0xff
      let path = folder.write("damaged.gz", bad)
      expectFailure(.badData, path) { try readAll(path) }
    }
  }

  @Test func whateverFollowsTheGzipDataIsRefused() {
    let good = gzipped(idx([500], noise(500)))
    for tail in [[UInt8(0)], Array("garbage".utf8), [UInt8](repeating: 0, count: 400_000)] {
      let path = folder.write("tail.gz", good + tail)
      expectFailure(
        .badData,
        "\(path): the gzip data end at byte \(good.count), but the file goes on to byte "
          + "\(good.count + tail.count)"
      ) { try readAll(path) }
    }
    let path = folder.write("tail.gz", good + [0x1f, 0x8c, 1, 2, 3])
    expectFailure(.badData, "\(path): the gzip data are damaged", "incorrect header check") {
      try readAll(path)
    }
  }

  @Test func dataShorterThanDeclaredAreNoticed() {
    let path = folder.write("short.gz", gzipped(idx([10, 4], noise(39))))
    expectFailure(
      .badData, "\(path) declares 10 x 4, which with the header makes 52 uncompressed bytes",
      "it ends at byte 51 of the uncompressed data"
    ) { try readAll(path) }
  }

  @Test func dataLongerThanDeclaredAreNoticed() {
    let path = folder.write("long.gz", gzipped(idx([10, 4], noise(41))))
    expectFailure(
      .badData, "makes 52 uncompressed bytes",
      "it goes on after byte 51 of the uncompressed data"
    ) { try readAll(path) }
  }

  @Test func moreThanDeflateCanPackIsRefusedAtOpen() {
    let bytes = gzipped(idx([60000, 28, 28], noise(100)))
    let path = folder.write("liar.gz", bytes)
    expectFailure(
      .badData, "declares 60000 x 28 x 28", "makes 47040016 uncompressed bytes",
      "\(bytes.count) bytes of gzip data can hold at most \(1032 * bytes.count + 1032)"
    ) { _ = try IDXReader(path: path) }
  }

  /// The highest ratio zlib reaches passes: the limit never refuses an honest file.
  @Test func honestFileOfZerosIsAccepted() throws {
    let zeros = [UInt8](repeating: 0, count: 4_000_000)
    try readAll(folder.write("zeros.gz", gzipped(idx([zeros.count], zeros))))
  }

  /// Many items of a bomb are skipped without a trace in memory; the rest after the declared end is
  /// not even unzipped.
  @Test func bombTakesNoMemory() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let path = folder.path + "/bomb.gz"
      let file = gzopen(path, "wb1")!
      let header = idx([30_000, 10_000], [])
      gzwrite(file, header, UInt32(header.count))
      let zeros = [UInt8](repeating: 0, count: 1_000_000)
      for _ in 0..<400 { gzwrite(file, zeros, UInt32(zeros.count)) }
      gzclose(file)
      let before = peakMemoryBytes()
      let reader = try IDXReader(path: path)
      try reader.skipItems(reader.itemCount)
      expectFailure(.badData, "goes on after byte 300000011 of the uncompressed data") {
        try reader.finish()
      }
      // The buffers, and the pages of zlib's code and tables on their first use; not 400 MB.
      #expect(peakMemoryBytes() - before < 8_000_000)
    }
  }

  @Test func headerThatLiesAllocatesNothing() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let before = peakMemoryBytes()
      let plain = folder.write("plain", idx([0x7fff_ffff, 1000], noise(10)))
      expectFailure(.badData, "makes 2147483647012 bytes", "ends at byte 22") {
        _ = try IDXReader(path: plain)
      }
      let zipped = folder.write("zipped.gz", gzipped(idx([0x7fff_ffff, 1000], noise(10))))
      expectFailure(.badData, "can hold at most") { _ = try IDXReader(path: zipped) }
      #expect(peakMemoryBytes() - before < 4_000_000)
    }
  }
}
