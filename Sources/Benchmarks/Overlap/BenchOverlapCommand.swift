import ArgumentParser
import Communication
import DataParallel
import Foundation
import Recipes
import System
import Training

/// `nndist bench overlap`.
struct BenchOverlapCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "overlap",
    abstract: "Time a recipe's steps on the ranks there are, and how much of the sum is hidden.",
    discussion: """
      nndist bench overlap mnist-mlp --batch-size 1024
      launch/two-hosts -- nndist bench overlap mnist-mlp --batch-size 1024

      Steps alternate between two ways: the sum of gradients is begun after the backward pass, or goes
      on beside it (where ranks are on several hosts). Medians over the steps, in microseconds.

      hidden is what the second way saves, over the lesser of the sum's and the backward pass's time:
      1 would be a sum (or a backward pass) that costs nothing.
      """)

  @Argument(help: "A built-in recipe, or a YAML file. (default: fashion-mnist)")
  var recipe: String?

  @Option(help: "Folder or file of the data set. (default: the recipe's)")
  var data: String?

  @Option(help: "Samples in a global batch, over all ranks. (default: the recipe's)")
  var batchSize: Int?

  @Option(help: "Steps of each way, after ten to warm up.")
  var steps = 100

  @Option(help: "Threads of each rank.")
  var threads = 1

  @Option(help: "Logical shards. (default: the number of ranks)")
  var shards: Int?

  @Flag(help: "Shard the optimizer's state over the ranks. (default: replicated)")
  var zero = false

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Set any field of the recipe by its dotted path; may be repeated. (default: none)",
      valueName: "key=value"))
  var settings: [String] = []

  @Flag(help: "Print JSON. (default: a table)")
  var json = false

  func validate() throws {
    for (option, value) in [
      ("--steps", steps), ("--threads", threads), ("--batch-size", batchSize ?? 1),
      ("--shards", shards ?? 1),
    ] where value < 1 {
      throw ValidationError("\(option) \(value) is not allowed; it must be 1 or more")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    let world = try session.world()
    let recipe = try world.agree(on: "reading the recipe") { () -> Recipe in
      var text = try BuiltInRecipe.text(named: self.recipe ?? BuiltInRecipe.all[0].name) {
        try readText($0, invalid: .usage)
      }
      try text.apply(settings: settings)
      if let data { try text.setDataPath(data) }
      if let batchSize { try text.set("batch_size", to: "\(batchSize)") }
      try text.set("epochs", to: "1000000000")
      var recipe = try text.recipe()
      recipe.shards = shards ?? recipe.shards ?? world.worldSize
      return recipe
    }
    let report = try OverlapBenchmark.run(
      recipe, steps: steps, threads: threads, shardsOptimizer: zero, world)
    if world.isRoot { print(json ? try encodedJSON(report) : report.table) }
    return 0
  }
}

/// The results of `bench overlap`: medians in microseconds. The time of a step is that of its
/// slowest rank.
struct OverlapBenchmark: Encodable {
  /// The times of steps that sum in one of the two ways.
  struct Way: Encodable {
    var batch = 0.0
    var forward = 0.0
    var backward = 0.0
    var reduction = 0.0
    var optimizer = 0.0
    var total = 0.0
    var samplesPerSecond = 0.0
  }

  let recipe: String
  let ranks: Int
  let hosts: Int
  let threads: Int
  let shards: Int
  let batchSize: Int
  let parameters: Int
  /// Bytes that all ranks together send to other hosts in a step.
  let wireBytes: Int
  let afterwards: Way
  /// nil if sums cannot run during the backward pass.
  let beside: Way?
  /// The time that `beside` saves, over the smaller of the sum's and the backward pass's time.
  let hidden: Double?

  /// Collective: every rank. The report is the same on all ranks.
  static func run(
    _ recipe: Recipe, steps: Int, threads: Int, shardsOptimizer: Bool, _ world: Communicator
  ) throws -> OverlapBenchmark {
    let warmUp = 10
    return try withBenchRun(
      of: recipe, maxSteps: 2 * (warmUp + steps), threads: threads,
      shardsOptimizer: shardsOptimizer, world
    ) {
      try measure($0, recipe, warmUp: warmUp, threads: threads, world)
    }
  }

  private static func measure(
    _ trainer: Trainer, _ recipe: Recipe, warmUp: Int, threads: Int, _ world: Communicator
  ) throws -> OverlapBenchmark {
    var times: [StepTimes] = []
    // Steps alternate: the sum of an odd step is taken after the backward pass, that of an even
    // step during it.
    trainer.overlaps = false
    trainer.onStep = { [unowned trainer] step, parts in
      times.append(parts)
      trainer.overlaps = step % 2 == 1
    }
    _ = try trainer.run()
    let measured = times.dropFirst(2 * warmUp)
    func way(_ parity: Int) throws -> Way {
      let own = measured.enumerated().filter { $0.offset % 2 == parity }.map(\.element)
      func median(_ part: KeyPath<StepTimes, Double>) throws -> Double {
        let slowest = try ReduceBenchmark.slowest(own.map { $0[keyPath: part] * 1e6 }, world)
        return ReduceBenchmark.median(slowest)
      }
      var way = Way()
      way.batch = try median(\.batch)
      way.forward = try median(\.forward)
      way.backward = try median(\.backward)
      way.reduction = try median(\.reduction)
      way.optimizer = try median(\.optimizer)
      way.total = try median(\.total)
      way.samplesPerSecond = Double(recipe.batchSize) / way.total * 1e6
      return way
    }
    let reduction = trainer.reduction
    let afterwards = try way(0)
    let beside = reduction.overlaps ? try way(1) : nil
    let sent = try world.allgather(UInt64(reduction.sentByteCount)).reduce(0, +)
    return OverlapBenchmark(
      recipe: recipe.name, ranks: world.worldSize, hosts: try world.hosts().count,
      threads: threads, shards: recipe.shards!, batchSize: recipe.batchSize,
      parameters: trainer.parameterCount, wireBytes: Int(sent) / times.count,
      afterwards: afterwards, beside: beside,
      hidden: beside.map {
        (afterwards.total - $0.total) / min(afterwards.reduction, afterwards.backward)
      })
  }

  /// The printed report.
  var table: String {
    var columns = Columns(
      [
        "the sum", "batch", "forward", "backward", "sum", "optimizer", "step us", "samples/s",
      ], isText: [true])
    func add(_ name: String, _ way: Way) {
      columns.add(
        [name]
          + [way.batch, way.forward, way.backward, way.reduction, way.optimizer, way.total].map {
            fixed($0, $0 < 100 ? 1 : 0)
          } + [fixed(way.samplesPerSecond, 0)])
    }
    add("after the backward pass", afterwards)
    if let beside { add("beside it", beside) }
    var text = """
      \(recipe), \(parameters) parameters, batch \(batchSize), \(shards) shards; \(ranks) ranks x \
      \(threads) threads on \(hosts) hosts
      \(columns.text)
      """
    if let hidden {
      text += "\nhidden: \(fixed(hidden * 100, 1)) % of the lesser of sum and backward pass"
    }
    if wireBytes > 0 { text += "\nbetween hosts: \(wireBytes) bytes a step" }
    return text
  }
}
