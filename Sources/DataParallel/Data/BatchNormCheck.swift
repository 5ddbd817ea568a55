import Autograd
import Datasets
import Layers
import System

/// Checks that batch normalization has more than one number to normalize over: one number has no
/// variance.
enum BatchNormCheck {
  /// Checks every batch normalization layer. If some batch has only one sample for a layer, it
  /// passes one sample through the network to find layers that then normalize over one number.
  /// - Parameter microBatchSize: the most samples of a piece; nil: a shard's part is one piece.
  /// - Throws: `Failure(.usage)` naming the layer and the batch.
  static func verify(_ network: any Module, _ data: ShardedData, microBatchSize: Int?) throws {
    let (store, order) = (data.store, data.order)
    let problems = (shard: loneSample(order, microBatchSize), global: loneBatch(order))
    guard problems.shard != nil || problems.global != nil,
      let shard = store.shards.first(where: { store.localCount($0) > 0 })
    else { return }
    var found: [(name: String, problem: Problem)] = []
    network.forEachModule { name, module in
      guard let layer = module as? any BatchNormLayer else { return }
      let problem = layer.seesGlobalBatch ? problems.global : problems.shard
      if let problem { found.append((name, problem)) }
    }
    if found.isEmpty { return }
    let sample = [Int32(0)].withUnsafeBufferPointer {
      data.part(shard: shard, local: $0, globalCount: 1, epoch: nil)
    }
    network.eval()
    defer { network.train() }
    let outputs = try noGrad {
      try ActivationRecorder.record(found.map(\.name), in: network) {
        network(sample.inputs).first
      }
    }
    for ((name, output), (_, problem)) in zip(outputs, found)
    where output.elementCount == output.shape[1] {
      throw Failure(
        .usage, "layer \(name) normalizes over \(problem.what)", remedy: problem.remedy)
    }
  }

  private typealias Problem = (what: String, remedy: String)

  /// The problem of a layer that normalizes over the global batch, if some batch has a single
  /// sample.
  private static func loneBatch(_ order: SampleOrder) -> Problem? {
    for batch in [0, order.stepsPerEpoch - 1] where order.batchCount(batch) == 1 {
      return (
        "the global batch, and " + (batch == 0 ? "the batches have" : "the last of an epoch has")
          + " one sample",
        "set batch_size so that each batch of the \(counted(order.sampleCount, "sample")) has 2 or more"
      )
    }
    return nil
  }

  /// The problem of a layer that normalizes over a shard's samples, if some shard or piece of its
  /// part gets a single one.
  private static func loneSample(_ order: SampleOrder, _ microBatchSize: Int?) -> Problem? {
    // All batches except the last have the size of the first. The shards' parts of a batch differ
    // by at most one sample.
    for batch in [0, order.stepsPerEpoch - 1] {
      let count = order.batchCount(batch)
      let parts = [count / order.shardCount, order.largestPart(ofBatch: batch)]
      if parts.contains(1) {
        return (
          "a shard's samples of a batch, and the "
            + (batch == 0 ? "batches have" : "last batch of an epoch has")
            + " \(count) for \(counted(order.shardCount, "shard")): too few for two each",
          "set batch_size or shards so that each batch of the \(order.sampleCount) samples has "
            + "\(2 * order.shardCount) or more"
        )
      }
      for part in parts where part > 0 {
        let pieces = MicroBatches.ranges(of: part, atMost: microBatchSize).map(\.count)
        guard pieces.last == 1 else { continue }
        return (
          "a piece of a shard's samples, and micro_batch \(microBatchSize!) cuts \(part) into "
            + "\(counted(pieces.count, "piece")), the last of one sample",
          "set micro_batch to 3 or more"
        )
      }
    }
    return nil
  }
}
