import Foundation
import NNDist

/// What the test sets by environment variables. None of it changes a bit of the result.
enum Setting {
  /// Threads of each rank; nil: as many as it has cores.
  static var threads: Int? { number("MINE_THREADS") }
  /// Milliseconds to sleep after each step, so that a kill comes in the middle of a run.
  static var pause: Int { number("MINE_PAUSE") ?? 0 }
  static var shardsOptimizer: Bool { number("MINE_ZERO") == 1 }

  private static func number(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
  }

  static func sleep() {
    if pause > 0 { usleep(UInt32(pause) * 1000) }
  }
}

let shards = 4

/// Trains by a Trainer, with an optimizer, a loss and a metric of its own.
func trainer(_ directory: String) throws {
  try Distributed.run { world in
    var job = TrainingJob(
      "hills", data: .dataset(Hills(), holdout: Holdout(validation: 0.2)),
      model: { HillNet(width: 16) }, loss: HillLoss(),
      optimizer: .signed(learningRate: 2e-3, weightDecay: 0.01).with(
        ParameterRule("*.bias", weightDecay: 0)),
      batchSize: 32, epochs: 12, seed: 5, shards: shards, schedule: .cosine)
    job.metrics = [KindAccuracy()]

    var options = RunOptions(runDirectory: directory)
    options.resume = .ifPresent
    options.threads = Setting.threads
    options.shardsOptimizer = Setting.shardsOptimizer
    options.logEvery = 10
    options.checkpointEvery = 7

    let trainer = try Trainer(job, options: options, world: world)
    trainer.on(.step) { _ in Setting.sleep() }
    let outcome = try trainer.run()
    if world.isRoot { print("\(outcome) after step \(trainer.stepCount)") }
  }
}

/// Trains by a loop of its own, with a layer that sees the global batch.
func loop(_ directory: String) throws {
  try Distributed.run { world in
    let epochs = 12
    let data = try ShardedData(
      .dataset(Hills()), world: world, shards: shards, batchSize: 32, seed: 3)
    var options = StepOptions()
    options.threads = Setting.threads
    options.clipNorm = 1
    options.shardsOptimizer = Setting.shardsOptimizer
    let step = try DataParallelStep(
      world, shards: shards, model: { HillNet(width: 16, centers: true) }, optimizer: .adam(),
      seed: 7, options: options)
    let loss = HillLoss()
    let totalSteps = epochs * data.stepsPerEpoch

    let checkpoints = try LoopCheckpoints(world, directory: directory)
    let start = try checkpoints.restore(into: step)
    if world.isRoot { print("begins at step \(step.stepCount) of \(totalSteps)") }
    for epoch in stride(from: start.epoch, through: epochs, by: 1) {
      for batch in data.batches(epoch: epoch, from: epoch == start.epoch ? start.batch : 0) {
        let rate = Schedule.cosine.rate(
          base: 1e-2, step: step.stepCount + 1, totalSteps: totalSteps)
        let result = try step(batch, learningRate: rate) { net, part in
          loss(net(part.inputs), part.targets, globalCount: part.globalCount)
        }
        Setting.sleep()
        if result.step % 7 == 0 || result.stop != nil || result.step == totalSteps {
          try checkpoints.save(step, after: batch)
        }
        if let stop = result.stop {
          if world.isRoot { print("stopped by \(stop) at step \(result.step)") }
          world.exitStatus = 75
          return
        }
      }
    }
    if world.isRoot { print("completed after step \(step.stepCount)") }
  }
}
