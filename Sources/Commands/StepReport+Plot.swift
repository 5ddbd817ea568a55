import Foundation
import TensorCore
import Training

extension StepReport {
  /// Draws both efficiencies over the ranks with gnuplot.
  /// - Parameter path: what is written, .svg or .png.
  /// - Throws: Failure where there is no gnuplot, or it fails.
  func plot(to path: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gnuplot", "-"]
    let (input, errors) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardError = errors
    try process.run()
    // It reads the whole script before it draws, and says little.
    try? input.fileHandleForWriting.write(contentsOf: Data(plotScript(to: path).utf8))
    try? input.fileHandleForWriting.close()
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    // 127: env found none.
    guard process.terminationStatus != 127 else {
      throw Failure(
        .inputMissing, "--plot needs gnuplot, and there is none in PATH",
        remedy: "apt-get install gnuplot-nox")
    }
    guard process.terminationStatus == 0 else {
      let words = said.split(whereSeparator: \.isNewline).joined(separator: " ")
      throw Failure(.ioError, "gnuplot cannot draw \(path): \(words)")
    }
  }

  package static func canPlot(to path: String) -> Bool {
    path.hasSuffix(".svg") || path.hasSuffix(".png")
  }

  private func plotScript(to path: String) -> String {
    let terminal =
      path.hasSuffix(".svg")
      ? "svg size 900,380 font 'sans,12' background rgb 'white'" : "pngcairo size 900,380"
    var text = """
      set terminal \(terminal)
      set output \(quoted(path))
      set multiplot layout 1,2 title \(quoted("\(name), batch \(batch), predicted")) noenhanced
      set logscale x 2
      set xrange [\(rows[0].ranks):\(rows.last!.ranks)]
      set yrange [0:105]
      set xlabel 'ranks'
      set ylabel 'efficiency, %'
      set grid

      """
    func add(_ title: String, key: String, _ value: (Row) -> Double?) {
      let curves = StepReport.rates.map { "'-' with linespoints title '\(fixed($0, 0)) Gbit/s'" }
      text += "set title '\(title)'\nset key \(key)\nplot \(curves.joined(separator: ", "))\n"
      for rate in StepReport.rates {
        for row in rows where row.gigabitsPerSecond == rate {
          if let value = value(row) { text += "\(row.ranks) \(fixed(value * 100, 3))\n" }
        }
        text += "e\n"
      }
    }
    add("strong scaling: the batch shared by all ranks", key: "top right") { $0.strongEfficiency }
    add("weak scaling: the batch on every rank", key: "bottom left") { $0.weakEfficiency }
    return text + "unset multiplot\n"
  }

  /// A text of gnuplot, in which nothing is special but the quote.
  private func quoted(_ text: String) -> String {
    "'\(text.replacingOccurrences(of: "'", with: "''"))'"
  }
}
