import System
import Training

extension StepReport {
  /// Draws both efficiencies over the number of ranks with gnuplot.
  /// - Parameter path: the output file, .svg or .png.
  /// - Throws: Failure if gnuplot is missing or fails.
  func plot(to path: String) throws {
    try Gnuplot.draw(plotScript(to: path), to: path)
  }

  private func plotScript(to path: String) -> String {
    var text = """
      \(Gnuplot.output(to: path, width: 900, height: 380))
      set multiplot layout 1,2 title \(Gnuplot.quoted("\(name), batch \(batch), predicted")) noenhanced
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
}
