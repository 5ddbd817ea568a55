import ArgumentParser
import Communication
import Foundation
import Tensors

/// `nndist bench` and `nndist bench steps`.
struct BenchStepsCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "steps",
    abstract: "Time the training steps that other libraries are measured by. The default.",
    discussion: """
      nndist bench
      mpirun -n 2 nndist bench steps --only mlp512,conv

      us is the median from the end of a step to the end of the next, on root, with the 10th and 90th
      percentile. GFLOP/s counts all of matrix products and convolutions, beside what a product of
      matrices that stay in the cache reaches here; made is the part of them that was computed, as
      products of 0 (pixels, what ReLU or pooling left out) are passed over where that is faster.
      limit us is the least a step needs: the operations made at that peak; or the bytes of parameters,
      gradients and optimizer state, each read or written once where it must be, at the bandwidth of a
      copy of as many bytes; or a recurrence's steps, which wait for each other, alone; the largest of
      these. Shares are of the median step: samples gathered, kernels and the graph around them in both
      passes, the sum over ranks and shards, the optimizer. new is how many tensors a step took from the
      system.
      """)

  @Option(help: "Workloads, with commas between. (default: all)")
  var only: String?

  @Option(help: "Folder of Fashion-MNIST. (default: where its Debian package puts it)")
  var data: String?

  @Option(help: "Threads of each rank.")
  var threads = 1

  @Option(help: "Logical shards. (default: one for each thread of each rank)")
  var shards: Int?

  @Option(help: "What Linear layers and convolutions round their operands to: float32 or bf16.")
  var precision = Precision.float32

  @Option(help: "Steps of each workload. (default: a second or two)")
  var steps: Int?

  @Flag(help: "Print JSON, a line for each workload. (default: a table)")
  var json = false

  func validate() throws {
    for (option, value) in [
      ("--threads", threads), ("--shards", shards ?? 1), ("--steps", steps ?? 1),
    ] where value < 1 {
      throw ValidationError("\(option) \(value) is not allowed; it must be 1 or more")
    }
    _ = try chosen()
  }

  private func chosen() throws -> [BenchWorkload] {
    guard let only else { return BenchWorkload.all }
    return try only.split(separator: ",").map { name in
      guard let workload = BenchWorkload.all.first(where: { $0.name == name }) else {
        throw ValidationError(
          "--only \(name): there is no such workload; choose from "
            + BenchWorkload.all.map(\.name).joined(separator: ", "))
      }
      return workload
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    let world = try session.world()
    let benchmark = try StepsBenchmark(
      world: world, threads: threads, precision: precision)
    if world.isRoot && !json { session.say(benchmark.heading) }
    for workload in try chosen() {
      let recipe = try world.agree(on: "reading the recipe") {
        try workload.recipe(
          shards: shards ?? world.worldSize * threads, data: data, precision: precision)
      }
      let report = try benchmark.run(workload, recipe, steps: steps ?? workload.steps)
      session.say(json ? try report.line() : report.row)
    }
    return 0
  }
}

extension Precision: ExpressibleByArgument {}
