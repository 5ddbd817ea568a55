/// Something the outside world got wrong: a file, an option, a rank, a disk.
///
/// Thrown by every target, printed once by the command line as `nndist: error: ...`, and turned into
/// the process's exit status. Broken contracts inside the program trap instead.
public struct Failure: Error, Sendable, Equatable, Codable {
  /// Exit statuses, as in sysexits.h where it has the case.
  public enum Status: Int32, Sendable, Codable {
    /// Usage or recipe.
    case usage = 64
    /// Bad data or checkpoint.
    case badData = 65
    /// Input missing.
    case inputMissing = 66
    /// Training went wrong (non-finite loss, replicas differ) or an internal error.
    case trainingFailed = 70
    /// The run directory cannot be made or is in use.
    case cannotCreate = 73
    /// An I/O error while running.
    case ioError = 74
    /// Stopped on request; run again with --resume to go on.
    case stopped = 75
    /// Ranks disagree (recipe, data, binary).
    case ranksDisagree = 76
  }

  public let status: Status
  /// What went wrong and where: file and byte offset, key, step. One line, no full stop.
  public let message: String
  /// What to do about it. One line; empty where nothing can be advised.
  public let remedy: String

  public init(_ status: Status, _ message: String, remedy: String = "") {
    self.status = status
    self.message = Failure.line(message)
    self.remedy = Failure.line(remedy)
  }

  /// Names and texts of files get into messages: whatever they hold, a message is one line, says
  /// nothing to the terminal, and ends.
  private static func line(_ text: String) -> String {
    let isPlain = text.utf8.count <= longest && text.unicodeScalars.allSatisfy { !isControl($0) }
    if isPlain { return text }
    let shown = text.unicodeScalars.prefix(longest).map { isControl($0) ? "\u{b7}" : $0 }
    return String(String.UnicodeScalarView(shown))
      + (text.unicodeScalars.count > longest ? "\u{2026}" : "")
  }

  private static let longest = 4000

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 32 || 0x7f...0x9f ~= scalar.value || 0x2028...0x2029 ~= scalar.value
  }
}

extension Failure: CustomStringConvertible {
  /// `what | what to do`
  public var description: String { remedy.isEmpty ? message : "\(message) | \(remedy)" }
}
