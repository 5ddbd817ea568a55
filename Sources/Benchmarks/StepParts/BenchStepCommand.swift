import ArgumentParser
import Communication
import Foundation
import Recipes
import System
import Training

/// `nndist bench step`.
struct BenchStepCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Time the parts of a training step on one rank: forward, backward, optimizer.",
    discussion: """
      One shard, one thread, nothing reduced: medians over about a second. The forward pass \
      includes the gathering of its samples. By parameter: the part of the backward pass after \
      which its gradient is there, and a reduction may begin.
      """)

  @Argument(help: "A built-in recipe, or a YAML file. (default: fashion-mnist)")
  var recipe: String?

  @Option(help: "Folder or file of the data set. (default: the recipe's)")
  var data: String?

  @Option(help: "Samples in a batch; may be repeated. (default: the recipe's batch size)")
  var samples: [Int] = []

  @Flag(help: "Print JSON. (default: a table)")
  var json = false

  func validate() throws {
    for count in samples where count < 1 {
      throw ValidationError("--samples \(count) is not allowed; it must be 1 or more")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    let world = try session.world()
    guard world.worldSize == 1 else {
      throw Failure(
        .usage, "bench step measures one rank, and there are \(world.worldSize)",
        remedy: "run it without mpirun")
    }
    var text = try BuiltInRecipe.text(named: recipe ?? BuiltInRecipe.all[0].name) {
      try readText($0, invalid: .usage)
    }
    if let data { try text.setDataPath(data) }
    try text.set("shards", to: "1")
    let job = try text.recipe().job()
    let measurement = try StepBenchmark(job, world: world).measure(
      samples: samples.isEmpty ? [job.batchSize] : samples,
      host: ProcessInfo.processInfo.hostName)
    print(json ? try encodedJSON(measurement) : measurement.table)
    return 0
  }
}

extension StepMeasurement {
  var table: String {
    var times = Columns(["samples", "forward us", "backward us", "optimizer us"], isText: [])
    for row in rows {
      times.add(
        ["\(Int(row.samples))"]
          + [row.forwardMicroseconds, row.backwardMicroseconds, row.optimizerMicroseconds]
          .map { fixed($0, 1) })
    }
    var parts = Columns(["gradient", "bytes", "ready after %"], isText: [true])
    for gradient in gradients {
      parts.add([gradient.name, "\(Int(gradient.bytes))", fixed(gradient.ready * 100, 1)])
    }
    return "\(name), 1 thread on \(host)\n\(times.text)\n\n\(parts.text)"
  }
}
