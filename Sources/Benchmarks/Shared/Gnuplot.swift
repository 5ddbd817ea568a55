import Foundation
import System

/// Draws figures with the program gnuplot.
enum Gnuplot {
  /// - Parameters:
  ///   - script: gnuplot commands, which begin with the result of `output`.
  ///   - path: the file that the script writes, for messages.
  /// - Throws: Failure if gnuplot is missing or fails.
  static func draw(_ script: String, to path: String) throws {
    let (input, errors) = (try MemoryFile(Array(script.utf8)), try MemoryFile())
    let gnuplot: ChildProgram
    do {
      gnuplot = try ChildProgram(["gnuplot", "-"], input: input.path, errors: errors.path)
    } catch let failure as Failure where failure.status == .inputMissing {
      throw Failure(
        .inputMissing, "--plot needs gnuplot, and there is none in PATH",
        remedy: "apt-get install gnuplot-nox")
    }
    guard gnuplot.wait() == 0 else {
      let words = try String(decoding: errors.contents(), as: UTF8.self)
        .split(whereSeparator: \.isNewline).joined(separator: " ")
      throw Failure(.ioError, "gnuplot cannot draw \(path): \(words)")
    }
  }

  /// Whether `output` supports the file's extension.
  static func canDraw(to path: String) -> Bool {
    path.hasSuffix(".svg") || path.hasSuffix(".png")
  }

  /// The commands that set the output file.
  /// - Parameters:
  ///   - path: a .svg or .png file.
  ///   - width, height: in pixels.
  static func output(to path: String, width: Int, height: Int) -> String {
    let terminal =
      path.hasSuffix(".svg")
      ? "svg size \(width),\(height) font 'sans,12' background rgb 'white'"
      : "pngcairo size \(width),\(height)"
    return "set terminal \(terminal)\nset output \(quoted(path))"
  }

  /// Quotes a text for gnuplot. In single quotes, only the quote itself is special.
  static func quoted(_ text: String) -> String {
    "'\(text.replacingOccurrences(of: "'", with: "''"))'"
  }
}
