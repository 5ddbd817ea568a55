import Foundation
import TestSupport
import Testing

/// `bench grow`: its figures hang together. How large they are is no test's matter.
@Suite struct BenchGrowTests {
  private struct Report: Decodable {
    struct Point: Decodable {
      let value: Int
      let megaflop, microseconds, lowMicroseconds, highMicroseconds: Double
      let limitMicroseconds: Double
    }
    struct Slope: Decodable {
      let value, least, ofLimit: Double
      let isWorseThanLinear, isWorseThanItsLimit: Bool
    }
    struct Axis: Decodable {
      let name: String
      let points: [Point]
      let slopes: [Slope]
    }
    let axes: [Axis]
  }

  /// Small enough that all of it takes a second or two.
  private static let small = [
    "--batches", "2,4", "--widths", "16,32,64", "--depths", "1,3", "--ranks", "1,2", "--rounds",
    "1",
  ]

  @Test func figuresHangTogether() throws {
    let outcome = try run([nndist, "bench", "grow", "--json"] + Self.small)
    try #require(outcome.status == 0, "\(outcome)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let axes = try decoder.decode(Report.self, from: Data(outcome.stdout.utf8)).axes
    #expect(axes.map(\.name) == ["batch", "width", "depth", "ranks"])
    #expect(axes.map { $0.points.map(\.value) } == [[2, 4], [16, 32, 64], [1, 3], [1, 2]])
    // 2-W-W-1 without biases, both gradients of each product but the first's input: 2 operations each.
    func megaflop(batch: Int, width: Int, depth: Int) -> Double {
      let inner = (depth - 1) * width * width + width
      let products: Int = batch * (2 * 2 * width + 3 * inner)
      return Double(2 * products) * 1e-6
    }
    var works: [[Double]] = []
    works.append([2, 4].map { megaflop(batch: $0, width: 256, depth: 2) })
    works.append([16, 32, 64].map { megaflop(batch: 64, width: $0, depth: 2) })
    works.append([1, 3].map { megaflop(batch: 64, width: 256, depth: $0) })
    works.append([64, 128].map { megaflop(batch: $0, width: 256, depth: 2) })
    for (axis, work) in zip(axes, works) {
      for (point, work) in zip(axis.points, work) {
        #expect(abs(point.megaflop / work - 1) < 1e-6, "\(axis.name) \(point)")
        #expect(point.lowMicroseconds > 0 && point.lowMicroseconds <= point.microseconds)
        #expect(point.microseconds <= point.highMicroseconds)
        #expect(point.limitMicroseconds > 0)
      }
      #expect(axis.slopes.count == axis.points.count - 1)
      for (i, slope) in axis.slopes.enumerated() {
        let (first, second) = (axis.points[i], axis.points[i + 1])
        let growth = pow(second.megaflop / first.megaflop, slope.value)
        #expect(abs(growth * first.microseconds / second.microseconds - 1) < 1e-6)
        let ofLimit = pow(second.megaflop / first.megaflop, slope.ofLimit)
        #expect(abs(ofLimit * first.limitMicroseconds / second.limitMicroseconds - 1) < 1e-6)
        #expect(slope.least <= slope.value && slope.isWorseThanLinear == (slope.least > 1))
        #expect(slope.isWorseThanItsLimit == (slope.least > max(1, slope.ofLimit)))
      }
    }
  }

  @Test(.enabled(if: hasGnuplot, "needs gnuplot")) func itIsDrawn() throws {
    let jobs = Jobs()
    let outcome = try run(
      [nndist, "bench", "grow", "--plot", jobs.path("grow.svg")] + Self.small)
    try #require(outcome.status == 0, "\(outcome)")
    let drawing = String(decoding: contents(jobs.path("grow.svg")), as: UTF8.self)
    for name in ["batch", "width", "depth", "ranks"] { #expect(drawing.contains(">\(name)<")) }
    #expect(outcome.stdout.contains("linear"))
  }

  @Test func mistakesAreNamed() throws {
    expectError(try run([nndist, "bench", "grow", "--widths", "8,0"]), 64, "--widths", "8,0")
    expectError(try run([nndist, "bench", "grow", "--plot", "x.pdf"]), 64, "--plot x.pdf")
    expectError(
      try mpirun(ranks: 2, [nndist, "bench", "grow"]), 64, "bench grow starts ranks of its own")
  }
}
