import Autograd
import Datasets
import Layers
import TensorCore

/// Whether batch normalization has something to normalize over: one number has no variance.
enum BatchNormCheck {
  /// Passes one sample through the network where a shard's part of a batch is a single sample.
  /// - Parameters:
  ///   - data: samples of some shards; where it has none, nothing is found.
  /// - Throws: `Failure(.usage)` naming the layer and the batch.
  static func verify(
    _ network: any Module, _ data: SampleStore, _ format: SampleFormat, _ order: SampleOrder
  ) throws {
    let batches = [0, order.stepsPerEpoch - 1]
    // From 2 S samples on each of S shards has two; below, some shard has exactly one.
    guard let batch = batches.first(where: { order.batchCount($0) < 2 * order.shardCount }),
      let shard = data.shards.first(where: { data.localCount($0) > 0 })
    else { return }
    var names: [String] = []
    network.forEachModule { name, module in
      if module is BatchNorm1d || module is BatchNorm2d { names.append(name) }
    }
    if names.isEmpty { return }
    let sample = [Int32(0)].withUnsafeBufferPointer {
      format.batch(data, shard: shard, local: $0, epoch: nil)
    }
    network.eval()
    defer { network.train() }
    let outputs = try noGrad {
      try ActivationRecorder.record(names, in: network) { network(sample.inputs) }
    }
    for (name, output) in outputs where output.elementCount == output.shape[1] {
      let count = order.batchCount(batch)
      throw Failure(
        .usage,
        "layer \(name) normalizes over a shard's samples of a batch, and the "
          + (batch == 0 ? "batches have" : "last batch of an epoch has")
          + " \(count) for \(counted(order.shardCount, "shard")): too few for two each",
        remedy: "set batch_size or shards so that each batch of the \(order.sampleCount) samples "
          + "has \(2 * order.shardCount) or more")
    }
  }
}
