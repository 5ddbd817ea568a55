import Datasets
import Glibc
import System
import TestSupport
import Testing

/// Whatever byte of a file is wrong and wherever it ends: it is read, or refused by one Failure. A
/// trap would end the tests.
struct DamagedFileTests {
  let folder = TemporaryFolder()
  private let recorded: RecordedFiles
  init() throws { recorded = try golden("files.json") }

  private func files() throws -> [(name: String, bytes: [UInt8])] {
    let table = "\u{feff}a,\"b\"\"\",y\r\n1,2.5,0\n\"3\",-4e1,1\n"
    return [
      ("table.csv", Array(table.utf8)),
      ("stored.npz", bytes(hex: try #require(recorded.npz["stored"]))),
      ("deflated.npz", bytes(hex: try #require(recorded.npz["deflated"]))),
      ("gray.png", bytes(hex: recorded.png[0].bytes)),
      ("palette.png", bytes(hex: recorded.png[2].bytes)),
      ("f8.npy", bytes(hex: try #require(recorded.npy.last { $0.name.contains(">f8 F") }).bytes)),
    ]
  }

  /// A new file each time: ext4 writes an overwritten one to the disk at once.
  private func write(_ name: String, _ bytes: [UInt8]) -> String {
    remove(folder.path + "/" + name)
    return folder.write(name, bytes)
  }

  /// All that can be opened in a file of that name, read to its end.
  private func readAll(_ path: String) throws {
    if path.hasSuffix(".csv") {
      let options = CSVOptions(targetColumn: "y", targetKind: .classIndex)
      _ = try SamplesRead(CSVReader(path: path, options: options))
    } else if path.hasSuffix(".npz") {
      _ = try SamplesRead(NPYSource(archive: path, targetKind: .classIndex))
      _ = try SamplesRead(NPYSource(archive: path, inputs: "fortran", targetKind: .number))
    } else {
      _ = try InputFile.read(path)
    }
  }

  @Test func wholeFilesAreRead() throws {
    for (name, bytes) in try files() { try readAll(write(name, bytes)) }
  }

  @Test func anyWrongByteIsReadOrRefused() throws {
    for (name, good) in try files() {
      var refused = 0
      for place in good.indices {
        for change: UInt8 in [0x01, 0xff] {
          var bytes = good
          bytes[place] ^= change
          do { try readAll(write(name, bytes)) } catch {
            #expect(error is Failure, "\(name), byte \(place): \(error)")
            refused += 1
          }
        }
      }
      #expect(refused > good.count / 2, "\(name)")
    }
  }

  @Test func anyFileCutShortIsRefused() throws {
    for (name, good) in try files() where name != "table.csv" {
      for end in good.indices {
        #expect(throws: Failure.self, "\(name), cut at byte \(end)") {
          try readAll(write(name, Array(good[..<end])))
        }
      }
    }
  }
}
