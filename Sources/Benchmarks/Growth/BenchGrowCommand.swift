import ArgumentParser
import Communication
import Foundation
import Recipes
import System
import Training

/// `nndist bench grow`.
struct BenchGrowCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "grow",
    abstract: "Time a step as its work grows: with batch, width, depth and ranks.",
    discussion: """
      nndist bench grow --plot grow.svg

      A network of 2 inputs, layers of equal width with ReLU between, and 1 output; one thread each. \
      From one line to the next, slope is the log of the times' ratio over the log of the works': 1 \
      where the time grows as the work does. One is called worse than linear where it is above 1 even \
      from the 90th percentile of the smaller step to the 10th of the larger; and as the limit is, where \
      the least time of `bench steps` grows as fast: a core's own bandwidth falls where the bytes of a \
      step leave a cache. With the ranks, which it starts by mpirun, the batch grows too: each has the \
      same work.
      """)

  @Option(help: "Samples of a step of one rank, with commas between.")
  var batches = Numbers([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])

  @Option(help: "Nodes of a hidden layer.")
  var widths = Numbers([16, 32, 64, 128, 256, 512, 1024])

  @Option(help: "Hidden layers.")
  var depths = Numbers([2, 4, 8, 16, 32])

  @Option(help: "Ranks. (default: powers of two, as many as there are cores)")
  var ranks: Numbers?

  @Option(help: "How often all is timed; the fastest median counts.")
  var rounds = 2

  @Flag(help: "Print JSON. (default: tables)")
  var json = false

  @Option(help: "Draw it with gnuplot, into a .svg or .png file. (default: not drawn)")
  var plot: String?

  /// The option with which the command starts itself on several ranks: batch, width, depth, steps.
  @Option(help: .hidden)
  var point: Numbers?

  func validate() throws {
    if rounds < 1 {
      throw ValidationError("--rounds \(rounds) is not allowed; it must be 1 or more")
    }
    if let plot, !Gnuplot.canDraw(to: plot) {
      throw ValidationError("--plot \(plot) is neither a .svg nor a .png file")
    }
    if let point, point.values.count != 4 {
      throw ValidationError("--point takes batch, width, depth and steps")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    if let point {
      let values = point.values
      let world = try session.world()
      let network = BenchWorkload.network(
        batch: values[0] * world.worldSize, width: values[1], depth: values[2], steps: values[3])
      session.say(try measure(network, self.benchmark(world)).line())
      return 0
    }
    guard !RankSession.isUnderLauncher else {
      throw Failure(
        .usage, "bench grow starts ranks of its own", remedy: "start it without mpirun or srun")
    }
    let growth = GrowthBenchmark(
      batches: batches.values, widths: widths.values, depths: depths.values,
      ranks: ranks?.values ?? GrowthBenchmark.defaultRanks)
    // Before this process initializes MPI: its children would inherit the environment of its MPI.
    var all = try (0..<rounds).map { _ in try growth.onRanks() }
    let world = try session.world()
    let benchmark = try self.benchmark(world)
    for round in 0..<rounds {
      all[round] += try growth.alone { try measure($0, benchmark) }
    }
    let report = growth.report(all, host: world.hostName)
    if let plot { try report.plot(to: plot) }
    session.say(json ? try encodedJSON(report) : report.table)
    return 0
  }

  private func benchmark(_ world: Communicator) throws -> StepsBenchmark {
    try StepsBenchmark(world: world, threads: 1, precision: .float32)
  }

  private func measure(
    _ network: BenchWorkload, _ benchmark: StepsBenchmark
  ) throws -> StepsReport {
    let shards = benchmark.world.worldSize
    let recipe = try network.recipe(shards: shards, data: nil, precision: .float32)
    return try benchmark.run(network, recipe, steps: network.steps)
  }
}

/// Integers above 0, separated by commas.
struct Numbers: ExpressibleByArgument {
  let values: [Int]

  init(_ values: [Int]) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.allSatisfy({ ($0 ?? 0) > 0 }) else { return nil }
    values = parts.map { $0! }
  }

  var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}
