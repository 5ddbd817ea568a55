import Foundation
import NNDist

/// An error of this program, unknown to nndist.
struct Mishap: Error, CustomStringConvertible {
  let description: String
}

/// A data set whose sample 3 cannot be read.
private struct Broken: Dataset {
  let count = 10
  let inputs = [Feature("x")]
  let targets = [Feature("y")]

  func read(_ index: Int, into sample: inout Sample) throws {
    if index == 3 { throw Mishap(description: "sample 3 is gone") }
    sample.write(Float(index), to: "x")
    sample.write(Float(index), to: "y")
  }
}

/// What a user can do wrong, by name; each must end with one line of error and one status.
func misuse(_ kind: String, _ directory: String) throws {
  switch kind {
  case "model": try otherModel()
  case "world": try keptWorld()
  case "shared":
    let net = HillNet(width: 16)
    try Distributed.run { world in
      _ = try DataParallelStep(world, shards: shards, model: { net }, optimizer: .adam())
    }
  case "count": try otherCount()
  case "loss": try errorInLoss { _ in true }
  case "loss-on-last": try errorInLoss { $0.rank == $0.worldSize - 1 }
  case "hook": try errorInHook(directory) { _ in Mishap(description: "the hook does not like it") }
  case "hook-failure":
    try errorInHook(directory) { _ in
      Failure(.badData, "the hook found bad data", remedy: "mend it")
    }
  case "hook-on-last":
    try errorInHook(directory) { world in
      world.rank == world.worldSize - 1 ? Mishap(description: "the hook does not like it") : nil
    }
  case "body": try Distributed.run { _ in throw Mishap(description: "the body does not like it") }
  case "body-on-last":
    try Distributed.run { world in
      if world.rank == world.worldSize - 1 { throw Mishap(description: "only one rank") }
      try world.barrier()
    }
  case "failure": try Distributed.run { _ in throw Failure(.badData, "all ranks know of it") }
  case "failure-on-last":
    try Distributed.run { world in
      if world.rank == world.worldSize - 1 { throw Failure(.badData, "only one rank knows of it") }
      try world.barrier()
    }
  case "return-on-last":
    try Distributed.run { world in
      if world.rank == world.worldSize - 1 { return }
      try world.barrier()
    }
  case "status-on-last":
    try Distributed.run { world in
      if world.rank == world.worldSize - 1 { world.exitStatus = 75 }
    }
  case "order":
    try Distributed.run { world in
      if world.isRoot { try world.barrier() } else { _ = try world.broadcast(1) }
    }
  case "read":
    // The data set throws an error of its own, on the rank that reads sample 3.
    try Distributed.run { world in
      _ = try ShardedData(.dataset(Broken()), world: world, shards: shards, batchSize: 32)
    }
  case "shards":
    try Distributed.run { world in
      _ = try ShardedData(
        .dataset(Hills()), world: world, shards: world.worldSize - 1, batchSize: 32)
    }
  case "twice":
    try Distributed.run { _ in }
    try Distributed.run { _ in }
  case "name":
    // A name that recipes have already.
    try NNDistProgram.main(losses: ["cross-entropy": { _ in HillLoss() }])
  default: throw Failure(.usage, "there is no misuse '\(kind)'")
  }
}

/// The last rank has a wider network.
private func otherModel() throws {
  try Distributed.run { world in
    let isLast = world.rank == world.worldSize - 1
    _ = try DataParallelStep(
      world, shards: shards, model: { HillNet(width: isLast ? 17 : 16) }, optimizer: .adam())
  }
}

/// The world is used after its end.
private func keptWorld() throws {
  let world = try Distributed.run { $0 }
  do {
    try world.barrier()
  } catch let failure as Failure {
    if world.isRoot { FileHandle.standardError.write(Data("nndist: error: \(failure)\n".utf8)) }
    exit(failure.status.rawValue)
  }
}

/// The last rank has more samples.
private func otherCount() throws {
  try Distributed.run { world in
    let isLast = world.rank == world.worldSize - 1
    _ = try ShardedData(
      .dataset(Hills(count: isLast ? 305 : 301)), world: world, shards: shards, batchSize: 32)
  }
}

/// The loss throws in step 2, on the ranks that `isWrong` says.
private func errorInLoss(_ isWrong: (Communicator) -> Bool) throws {
  try Distributed.run { world in
    let throwsHere = isWrong(world)
    let data = try ShardedData(.dataset(Hills()), world: world, shards: shards, batchSize: 32)
    let step = try DataParallelStep(
      world, shards: shards, model: { HillNet(width: 16) }, optimizer: .adam())
    for batch in data.batches(epoch: 1) {
      let number = step.stepCount + 1
      try step(batch, learningRate: 1e-3) { net, part in
        if throwsHere && number == 2 { throw Mishap(description: "the loss does not like it") }
        return HillLoss()(net(part.inputs), part.targets, globalCount: part.globalCount)
      }
    }
  }
}

/// A hook throws after step 3.
private func errorInHook(_ directory: String, _ error: @escaping (Communicator) -> (any Error)?)
  throws
{
  try Distributed.run { world in
    let job = TrainingJob(
      "hills", data: .dataset(Hills()), model: { HillNet(width: 16) }, loss: HillLoss(),
      batchSize: 32, epochs: 2, shards: shards)
    let trainer = try Trainer(job, world: world, run: directory)
    trainer.once(.step, at: 3) { moment in
      if let error = error(moment.world) { throw error }
    }
    try trainer.run()
  }
}

/// Errors of the library reach the program, which goes on.
func libraryErrors() throws {
  try Distributed.run { world in
    func expect(_ status: Failure.Status, _ body: () throws -> Void) throws {
      do {
        try body()
        throw Mishap(description: "no error was thrown, and \(status) was expected")
      } catch let failure as Failure where failure.status == status {
        if world.isRoot { print("caught \(failure.status): \(failure)") }
      }
    }
    try expect(.inputMissing) {
      _ = try ShardedData(
        .csv("/nowhere/table.csv", target: "y"), world: world, shards: shards, batchSize: 32)
    }
    try expect(.usage) {
      _ = try ShardedData(.dataset(Hills()), world: world, shards: shards, batchSize: 0)
    }
    try expect(.badData) {
      _ = try ShardedData(.dataset(Hills(count: 0)), world: world, shards: shards, batchSize: 32)
    }
    // The world still works.
    try world.barrier()
  }
}
