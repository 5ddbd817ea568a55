import Foundation
import System
import Training

/// Times the points of `bench grow`: one of batch, width, depth and ranks grows, the others stay at
/// a middle size.
struct GrowthBenchmark {
  let batches, widths, depths, ranks: [Int]

  private static let (batch, width, depth) = (64, 256, 2)
  /// The approximate time that each point is timed.
  private static let seconds = 0.2

  static var defaultRanks: [Int] {
    Array(sequence(first: 1) { $0 * 2 }.prefix { $0 <= Cores.usable.count })
  }

  /// Identifies a point: the axis that grows, and its value there.
  struct Place: Hashable {
    let axis: String
    let value: Int
  }

  private func network(_ axis: String, _ value: Int) -> BenchWorkload {
    let batch = axis == "batch" ? value : GrowthBenchmark.batch
    let width = axis == "width" ? value : GrowthBenchmark.width
    let depth = axis == "depth" ? value : GrowthBenchmark.depth
    // A lower bound of the time: a very fast core, plus the fixed cost of a step.
    let operations = Double(6 * batch * width * (width * (depth - 1) + 3))
    let minimumSeconds = operations / 1e11 + Double(depth + 2) * 1e-6
    let steps = min(max(Int(GrowthBenchmark.seconds / minimumSeconds), 20), 20_000)
    return BenchWorkload.network(batch: batch, width: width, depth: depth, steps: steps)
  }

  /// Times all points that need only this process.
  func alone(_ measure: (BenchWorkload) throws -> StepsReport) rethrows -> [(Place, StepsReport)] {
    var all: [(Place, StepsReport)] = []
    for (axis, values) in [("batch", batches), ("width", widths), ("depth", depths)] {
      for value in values {
        all.append((Place(axis: axis, value: value), try measure(network(axis, value))))
      }
    }
    return all
  }

  /// Times the points with several ranks: each starts new processes with mpirun.
  func onRanks() throws -> [(Place, StepsReport)] {
    try ranks.map { ranks in
      let place = Place(axis: "ranks", value: ranks)
      let steps = network(place.axis, ranks).steps
      let point = [GrowthBenchmark.batch, GrowthBenchmark.width, GrowthBenchmark.depth, steps]
        .map(String.init).joined(separator: ",")
      return (place, try GrowthBenchmark.report(ranks: ranks, point: point))
    }
  }

  private static func report(ranks: Int, point: String) throws -> StepsReport {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let output = try MemoryFile()
    let mpirun = try ChildProgram(
      ["mpirun", "--oversubscribe", "-n", "\(ranks)", program, "bench", "grow", "--point", point],
      // mpirun starts only this program, which already runs as this user.
      environment: [
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
      ], output: output.path)
    let status = mpirun.wait()
    guard status == 0 else {
      throw Failure(
        .ioError, "mpirun -n \(ranks) ended with \(status)",
        remedy: "nndist doctor says what is missing")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(StepsReport.self, from: Data(output.contents()))
  }

  /// Creates the report from the fastest round of each point.
  /// - Parameter rounds: all points of each round.
  func report(_ rounds: [[(Place, StepsReport)]], host: String) -> GrowthReport {
    let all = rounds.flatMap { $0 }
    let (batch, width, depth) = (
      GrowthBenchmark.batch, GrowthBenchmark.width, GrowthBenchmark.depth
    )
    func axis(_ name: String, _ values: [Int], _ rest: String) -> GrowthReport.Axis {
      GrowthReport.Axis(
        name, rest: rest,
        points: values.map { value in
          let place = Place(axis: name, value: value)
          let fastest = all.filter { $0.0 == place }.map(\.1)
            .min { $0.microseconds < $1.microseconds }!
          return GrowthReport.Point(
            value, megaflop: (fastest.gflopPerSecond ?? 0) * fastest.microseconds * 1e-3,
            microseconds: (
              fastest.lowMicroseconds, fastest.microseconds, fastest.highMicroseconds
            ), limit: fastest.limitMicroseconds ?? 0)
        })
    }
    return GrowthReport(
      host: host,
      axes: [
        axis("batch", batches, "\(depth) layers of \(width)"),
        axis("width", widths, "\(depth) layers, batch \(batch)"),
        axis("depth", depths, "layers of \(width), batch \(batch)"),
        axis("ranks", ranks, "\(depth) layers of \(width), batch \(batch) on every rank"),
      ])
  }
}
