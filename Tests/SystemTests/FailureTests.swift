import Foundation
import System
import Testing

struct FailureTests {
  @Test func descriptionIsWhatThenWhatToDo() {
    #expect(
      "\(Failure(.badData, "a.gz: byte 7", remedy: "fetch it again"))"
        == "a.gz: byte 7 | fetch it again")
    #expect("\(Failure(.badData, "a.gz: byte 7"))" == "a.gz: byte 7")
  }

  /// A file's own texts get into messages.
  @Test func messageIsOneLineThatEndsAndSaysNothingToTheTerminal() {
    let failure = Failure(.badData, "key \"a\nb\u{1b}[2J\u{85}\u{2028}é\"", remedy: "mend\rit")
    #expect("\(failure)" == "key \"a·b·[2J··é\" | mend·it")
    let long = Failure(.badData, String(repeating: "é", count: 1_000_000)).message
    #expect(long == String(repeating: "é", count: 4000) + "…")
  }

  /// Ranks send each other their failures.
  @Test func survivesEncoding() throws {
    let failure = Failure(.ranksDisagree, "rank 1: recipe \"a\"", remedy: "é")
    let copy = try JSONDecoder().decode(Failure.self, from: JSONEncoder().encode(failure))
    #expect(copy == failure)
  }

  /// sysexits.h where it has the case; scripts look at them.
  @Test func statusesAreTheDocumentedNumbers() {
    let statuses: [Failure.Status] = [
      .usage, .badData, .inputMissing, .trainingFailed, .cannotCreate, .ioError, .stopped,
      .ranksDisagree,
    ]
    #expect(statuses.map(\.rawValue) == [64, 65, 66, 70, 73, 74, 75, 76])
  }
}
