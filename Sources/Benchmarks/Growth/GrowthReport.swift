import Foundation
import System
import Training

/// The results of `bench grow`: how the time of a step grows with its work.
package struct GrowthReport: Encodable {
  package struct Point: Encodable {
    /// The value of what grows: samples, nodes, layers or ranks.
    let value: Int
    /// Multiplications and additions in the matrix products of a step, on all ranks, in millions.
    let megaflop: Double
    /// The median of a step's time, and the 10th and 90th percentile.
    let microseconds, lowMicroseconds, highMicroseconds: Double
    /// The lower bound of a step's time, as in `bench steps`.
    let limitMicroseconds: Double

    package init(
      _ value: Int, megaflop: Double, microseconds: (low: Double, Double, high: Double),
      limit: Double
    ) {
      self.value = value
      self.megaflop = megaflop
      (lowMicroseconds, self.microseconds, highMicroseconds) = microseconds
      limitMicroseconds = limit
    }
  }

  /// The slope from a point to the next, log(time / time before) / log(work / work before): 1 if
  /// the time grows in proportion to the work.
  package struct Slope: Encodable {
    package let value: Double
    /// A lower bound of the slope: from the 90th percentile of the first point to the 10th of the
    /// second.
    package let least: Double
    /// The slope of the limits: above 1 if the bytes that a step reads and writes no longer fit a
    /// cache.
    package let ofLimit: Double
    /// Whether the time grows faster than the work.
    package let isWorseThanLinear: Bool
    /// Whether the time grows faster than the work and than the limit.
    package let isWorseThanItsLimit: Bool
  }

  package struct Axis: Encodable {
    /// The name of what grows.
    let name: String
    /// A description of the other settings.
    let rest: String
    let points: [Point]
    /// The slopes between consecutive points: one fewer than points.
    package let slopes: [Slope]

    package init(_ name: String, rest: String, points: [Point]) {
      (self.name, self.rest, self.points) = (name, rest, points)
      slopes = zip(points, points.dropFirst()).map { first, second in
        let work = log(second.megaflop / first.megaflop)
        let least = log(second.lowMicroseconds / first.highMicroseconds) / work
        let ofLimit = log(second.limitMicroseconds / first.limitMicroseconds) / work
        return Slope(
          value: log(second.microseconds / first.microseconds) / work, least: least,
          ofLimit: ofLimit, isWorseThanLinear: least > 1,
          isWorseThanItsLimit: least > max(1, ofLimit))
      }
    }
  }

  let host: String
  package let axes: [Axis]

  package init(host: String, axes: [Axis]) { (self.host, self.axes) = (host, axes) }

  package var table: String {
    var parts = axes.map { axis -> String in
      var columns = Columns(
        [axis.name, "MFLOP", "us", "low", "high", "slope", "limit us", "slope"], isText: [])
      for (i, point) in axis.points.enumerated() {
        let slope = i == 0 ? nil : axis.slopes[i - 1]
        columns.add(
          ["\(point.value)", fixed(point.megaflop, point.megaflop < 10 ? 3 : 1)]
            + [point.microseconds, point.lowMicroseconds, point.highMicroseconds]
            .map { fixed($0, 1) }
            + [
              slope.map { fixed($0.value, 2) } ?? "", fixed(point.limitMicroseconds, 1),
              slope.map { fixed($0.ofLimit, 2) } ?? "",
            ])
      }
      return axis.rest + "\n" + columns.text
    }
    parts.append(verdict)
    return parts.joined(separator: "\n\n")
  }

  private var verdict: String {
    func list(_ isListed: (Slope) -> Bool) -> String {
      axes.flatMap { axis in
        axis.slopes.indices.filter { isListed(axis.slopes[$0]) }.map { i in
          let slope = axis.slopes[i]
          return "\(axis.name) \(axis.points[i].value) to \(axis.points[i + 1].value) "
            + "(\(fixed(slope.value, 2)), at least \(fixed(slope.least, 2)); "
            + "limit \(fixed(slope.ofLimit, 2)))"
        }
      }.joined(separator: ", ")
    }
    let worse = list(\.isWorseThanItsLimit)
    let asItsLimit = list { $0.isWorseThanLinear && !$0.isWorseThanItsLimit }
    var lines: [String] = []
    if !worse.isEmpty { lines.append("worse than linear: " + worse) }
    if !asItsLimit.isEmpty {
      lines.append(
        "worse than linear, as the limit is, where what a step reads and writes leaves a cache: "
          + asItsLimit)
    }
    return lines.isEmpty ? "no step is worse than linear" : lines.joined(separator: "\n")
  }

  /// Draws the time over what grows, with gnuplot. A dashed line shows growth in proportion to the
  /// work; a dotted line shows the limits.
  /// - Parameter path: the output file, .svg or .png.
  /// - Throws: Failure if gnuplot is missing or fails.
  func plot(to path: String) throws {
    var text = """
      \(Gnuplot.output(to: path, width: 900, height: 700))
      set multiplot layout 2,2 title \(Gnuplot.quoted("a training step on \(host)")) noenhanced
      set logscale x 2
      set logscale y 10
      set ylabel 'microseconds'
      set grid
      set key top left
      set offsets graph 0.05, graph 0.05, 0, 0

      """
    for axis in axes {
      guard let last = axis.points.last else { continue }
      text += """
        set title \(Gnuplot.quoted(axis.rest)) noenhanced
        set xlabel \(Gnuplot.quoted(axis.name))
        plot '-' using 1:2:3:4 with yerrorbars pt 7 lc 1 title 'median, 10 to 90 %', \
        '-' with lines lc 1 notitle, '-' with lines dt 2 lc 'gray40' title 'as the work grows', \
        '-' with lines dt 3 lw 2 lc 2 title 'limit'

        """
      let lines = axis.points.map {
        "\($0.value) \($0.microseconds) \($0.lowMicroseconds) \($0.highMicroseconds)"
      }
      let linear = axis.points.map {
        "\($0.value) \(last.microseconds * $0.megaflop / last.megaflop)"
      }
      let limits = axis.points.map { "\($0.value) \($0.limitMicroseconds)" }
      for part in [lines, lines, linear, limits] { text += part.joined(separator: "\n") + "\ne\n" }
    }
    try Gnuplot.draw(text + "unset multiplot\n", to: path)
  }
}
