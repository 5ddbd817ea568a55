import Foundation
import System

/// Drawings, by the program gnuplot.
enum Gnuplot {
  /// - Parameters:
  ///   - script: what gnuplot is to do, `output` first.
  ///   - path: what it writes, for messages.
  /// - Throws: Failure where there is no gnuplot, or it fails.
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

  /// Whether `output` knows the kind of file.
  static func canDraw(to path: String) -> Bool {
    path.hasSuffix(".svg") || path.hasSuffix(".png")
  }

  /// Where a script's drawing goes: .svg or .png; width and height in pixels.
  static func output(to path: String, width: Int, height: Int) -> String {
    let terminal =
      path.hasSuffix(".svg")
      ? "svg size \(width),\(height) font 'sans,12' background rgb 'white'"
      : "pngcairo size \(width),\(height)"
    return "set terminal \(terminal)\nset output \(quoted(path))"
  }

  /// A text of gnuplot, in which nothing is special but the quote.
  static func quoted(_ text: String) -> String {
    "'\(text.replacingOccurrences(of: "'", with: "''"))'"
  }
}
