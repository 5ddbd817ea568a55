import Foundation
import NNDist

/// A data set of one's own: points on three spirals, one for each class. Each rank asks only for the samples
/// of its own shards.
struct Spirals: Dataset {
  let count = 300
  let inputs = [Feature("x", shape: [2])]
  let targets = [Feature("y", .classIndex(count: 3))]

  func read(_ index: Int, into sample: inout Sample) throws {
    let kind = index % 3
    let radius = Float(index) / Float(count)
    let angle = 4 * radius + Float(kind) * 2 * Float.pi / 3
    sample.write([radius * cos(angle), radius * sin(angle)], to: "x")
    sample.write(kind, to: "y")
  }
}

func dataset() throws {
  try Distributed.run { world in
    let data = try ShardedData(
      .dataset(Spirals()), world: world, shards: 4, batchSize: 100, shuffle: false)
    if world.isRoot {
      print("\(data.sampleCount) samples, \(data.stepsPerEpoch) batches an epoch")
    }
  }
}
