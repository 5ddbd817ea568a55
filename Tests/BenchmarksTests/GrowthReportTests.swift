import Benchmarks
import Testing

/// What `bench grow` says of times, given them.
@Suite struct GrowthReportTests {
  private func axis(_ times: [(megaflop: Double, microseconds: Double, limit: Double)])
    -> GrowthReport.Axis
  {
    GrowthReport.Axis(
      "depth", rest: "layers of 256",
      points: times.enumerated().map { i, time in
        GrowthReport.Point(
          i + 1, megaflop: time.megaflop,
          microseconds: (time.microseconds - 1, time.microseconds, time.microseconds + 1),
          limit: time.limit)
      })
  }

  @Test func stepsWorseThanLinearAreToldApartByTheirLimits() {
    // Twice the work in twice the time; then in four times, the limit too; then in four, the limit in two.
    let all = axis([(1, 100, 50), (2, 200, 100), (4, 800, 400), (8, 3200, 800)])
    #expect(all.slopes.map(\.isWorseThanLinear) == [false, true, true])
    #expect(all.slopes.map(\.isWorseThanItsLimit) == [false, false, true])
    let lines = GrowthReport(host: "here", axes: [all]).table.split(separator: "\n").suffix(2)
    #expect(
      lines.map { String($0.prefix { $0 != "(" }) } == [
        "worse than linear: depth 3 to 4 ",
        "worse than linear, as the limit is, where what a step reads and writes leaves a cache: "
          + "depth 2 to 3 ",
      ])
    #expect(
      GrowthReport(host: "here", axes: [axis([(1, 100, 50), (2, 190, 300)])]).table
        .hasSuffix("no step is worse than linear"))
  }
}
