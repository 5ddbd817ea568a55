import NNDist

/// A training loop by hand, on any number of ranks:
/// mpirun -n 4 .build/release/Examples 04-loop
func loop() throws {
  try Distributed.run { world in
    let data = try ShardedData(.dataset(Spirals()), world: world, shards: 4, batchSize: 30)
    let step = try DataParallelStep(
      world, shards: 4, model: { BlockNet(inputs: 2, width: 16, blocks: 2, outputs: 3) },
      optimizer: .adam())
    let loss = CrossEntropyLoss()
    for epoch in 1...20 {
      var sum: Float = 0
      for batch in data.batches(epoch: epoch) {
        let result = try step(batch, learningRate: 1e-2) { net, part in
          loss(net(part.inputs), part.targets, globalCount: part.globalCount)
        }
        sum += result.loss
      }
      if world.isRoot && epoch % 5 == 0 {
        print("epoch \(epoch): loss \(sum / Float(data.stepsPerEpoch))")
      }
    }
  }
}
