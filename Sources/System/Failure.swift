/// An error caused from outside the program: by a file, an option, a rank or a disk.
///
/// Every target throws it. The command line prints it once as `nndist: error: ...` and exits with
/// its status. A broken contract inside the program traps instead.
public struct Failure: Error, Sendable, Equatable, Codable {
  /// Exit statuses, taken from sysexits.h where it defines one for the case.
  public enum Status: Int32, Sendable, Codable {
    /// Wrong usage, or an error in the recipe.
    case usage = 64
    /// Bad data or checkpoint.
    case badData = 65
    /// An input is missing.
    case inputMissing = 66
    /// Training went wrong (non-finite loss, replicas differ) or an internal error.
    case trainingFailed = 70
    /// The run directory cannot be created or is in use.
    case cannotCreate = 73
    /// An I/O error while running.
    case ioError = 74
    /// Stopped on request; run again with --resume to continue.
    case stopped = 75
    /// The ranks have different recipes, data or binaries.
    case ranksDisagree = 76
  }

  public let status: Status
  /// What went wrong and where: file and byte offset, key, step. One line, no full stop.
  public let message: String
  /// What the user can do about it. One line; empty if there is no advice.
  public let remedy: String

  public init(_ status: Status, _ message: String, remedy: String = "") {
    self.status = status
    self.message = Failure.line(message)
    self.remedy = Failure.line(remedy)
  }

  /// Makes `text` safe to print. File names and file contents can be part of a message, so this
  /// replaces control characters and line breaks by a middle dot and limits the length: the result
  /// is one line without terminal escape sequences.
  private static func line(_ text: String) -> String {
    let isPlain =
      text.utf8.count <= maximumLength && text.unicodeScalars.allSatisfy { !isControl($0) }
    if isPlain { return text }
    let shown = text.unicodeScalars.prefix(maximumLength).map { isControl($0) ? "\u{b7}" : $0 }
    return String(String.UnicodeScalarView(shown))
      + (text.unicodeScalars.count > maximumLength ? "\u{2026}" : "")
  }

  /// In Unicode scalars.
  private static let maximumLength = 4000

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 32 || 0x7f...0x9f ~= scalar.value || 0x2028...0x2029 ~= scalar.value
  }
}

extension Failure: CustomStringConvertible {
  /// `message | remedy`, or only `message` if there is no remedy.
  public var description: String { remedy.isEmpty ? message : "\(message) | \(remedy)" }
}
