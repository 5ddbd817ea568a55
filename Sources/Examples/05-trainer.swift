import Foundation
import NNDist

/// The same network by a Trainer, which keeps a run directory with metrics and checkpoints:
/// mpirun -n 2 .build/release/Examples 05-trainer
func trainer() throws {
  try Distributed.run { world in
    let directory = try world.broadcast(
      "/tmp/nndist-example-\(ProcessInfo.processInfo.processIdentifier)")
    let job = TrainingJob(
      "spirals", data: .dataset(Spirals(), holdout: Holdout(validation: 0.2)),
      model: { BlockNet(inputs: 2, width: 16, blocks: 2, outputs: 3) }, loss: CrossEntropyLoss(),
      optimizer: .adam(learningRate: 1e-2), batchSize: 30, epochs: 20, shards: 4)
    let trainer = try Trainer(job, world: world, run: directory)
    trainer.on(.evaluation, every: 5) { moment in
      if world.isRoot, let evaluation = moment.evaluation {
        print("epoch \(moment.epoch): accuracy \(evaluation.accuracy!)")
      }
    }
    try trainer.run()
    if world.isRoot { try FileManager.default.removeItem(atPath: directory) }
  }
}
