import Foundation
import FuzzedParsers
import TestSupport
import Testing

private let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent()
  .deletingLastPathComponent().appendingPathComponent("Fuzz/Corpus").path

/// The inputs that launch/fuzz begins with, findings that were mended among them: no parser traps,
/// throws anything but a Failure, or takes for ever.
@Suite struct FuzzCorpusTests {
  @Test(.timeLimit(.minutes(1)), arguments: FuzzedParser.allCases)
  func everyInputIsReadOrRefused(parser: FuzzedParser) throws {
    let folder = corpus + "/" + parser.rawValue
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    var total = (taken: 0, refused: 0)
    for name in names {
      let result = contents(folder + "/" + name).withUnsafeBytes { parser.parse($0) }
      total = (total.taken + result.taken, total.refused + result.refused)
    }
    // Files of both kinds, or what is replayed shows nothing.
    #expect(total.taken >= 3 && total.refused >= 3, "\(parser): \(total)")
  }
}
