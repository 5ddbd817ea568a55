import Autograd
import Datasets
import Layers
import System
import Tensors

/// Computes one shard's part of each batch, on the shard's replica of the network.
final class ShardWorker {
  let replica: ShardReplica
  /// The rank that owns the shard.
  private let rank: Int
  private let randomLayers: RandomLayers
  /// Sums values over all shards; nil if no layer of the network depends on the global batch.
  var sums: ShardSynchronizer.Member? {
    didSet {
      for (_, layer) in replica.module.globalBatchLayers { layer.synchronizer = sums }
    }
  }
  /// The order of samples in the epoch of the last `compute`.
  private var order: ShardOrder?
  /// The shard's part of every batch; nil if the parts are not all the same.
  private var repeatedPart: BatchPart?
  /// The times of the last step.
  private(set) var times = StepTimes()
  private(set) var sampleCount = 0
  private(set) var failure: (any Error)?

  init(replica: ShardReplica, rank: Int) {
    self.replica = replica
    self.rank = rank
    randomLayers = RandomLayers(of: replica.module)
  }

  /// The settings of a step, and its loss.
  struct Work {
    let step: Int
    let seed: UInt64
    let microBatchSize: Int?
    let buffers: ModuleBuffers
    /// Computes the shard's share of the loss from its replica of the network and its samples.
    let loss: (any Module, BatchPart) throws -> Tensor
  }

  /// Computes the shard's part of `batch`, and writes the gradients and the loss of its samples,
  /// divided by the sample count of the global batch, to the replica's arena. Pieces of the part
  /// are added in order.
  func compute(_ batch: GlobalBatch, _ work: Work) {
    times = StepTimes()
    failure = nil
    let order = self.order(of: batch)
    order.withSamples(ofBatch: batch.index) { samples in
      defer { sums?.endStep() }
      sampleCount = samples.count
      guard !samples.isEmpty else { return replica.clear() }
      _ = FaultPoint.reach(
        "samples", rank: rank, step: work.step,
        tensors: [self.sampleIndices(of: samples, batch.data.store, order)])
      replica.load(work.buffers)
      let pieces = MicroBatches.ranges(of: samples.count, atMost: work.microBatchSize)
      for piece in pieces {
        let isLast = piece.upperBound == samples.count
        let loss: Tensor
        do {
          loss = try self.loss(
            of: UnsafeBufferPointer(rebasing: samples[piece]), isWholePart: pieces.count == 1,
            batch, order, work)
        } catch {
          failure = error
          return replica.fail()
        }
        if isLast { prefetch(batch, order) }
        Progress.enter(.backward)
        var clock = Stopwatch()
        replica.differentiate(loss, isFirst: piece.lowerBound == 0, isLast: isLast)
        times.backward += clock.lap()
      }
      _ = FaultPoint.reach(
        "backward", rank: rank, step: work.step, tensors: self.replica.gradients)
    }
  }

  /// The order of the shard's samples in the batch's epoch.
  private func order(of batch: GlobalBatch) -> ShardOrder {
    if let order, order.epoch == batch.epoch, source === batch.data { return order }
    let new =
      if let order, source === batch.data {
        order.ofEpoch(batch.epoch)
      } else {
        batch.data.order.localSamples(epoch: batch.epoch, shard: replica.shard)
      }
    if source !== batch.data { repeatedPart = nil }
    source = batch.data
    order = new
    return new
  }

  /// The data of `order` and `repeatedPart`.
  private var source: ShardedData?

  /// Prefetches the next batch's samples while the rest of this batch is computed: shuffled samples
  /// are not in the cache.
  private func prefetch(_ batch: GlobalBatch, _ order: ShardOrder) {
    guard order.order.shuffled, batch.index + 1 < order.order.stepsPerEpoch else { return }
    order.withSamples(ofBatch: batch.index + 1) {
      batch.data.store.prefetch(shard: replica.shard, local: $0)
    }
  }

  /// The indices of the samples in the split, [n] int64; its name has the epoch and the shard.
  private func sampleIndices(
    of samples: UnsafeBufferPointer<Int32>, _ store: SampleStore, _ order: ShardOrder
  ) -> (name: String, tensor: Tensor) {
    let indices = samples.map {
      Int64(store.sampleIndex(shard: replica.shard, local: Int($0)))
    }
    return (
      "epoch \(order.epoch) shard \(replica.shard)", Tensor(indices, shape: [indices.count])
    )
  }

  /// Computes the share of some of the shard's samples in the global mean loss.
  private func loss(
    of samples: UnsafeBufferPointer<Int32>, isWholePart: Bool, _ batch: GlobalBatch,
    _ order: ShardOrder, _ work: Work
  ) throws -> Tensor {
    Progress.enter(.data)
    var clock = Stopwatch()
    if !randomLayers.isEmpty {
      let store = batch.data.store
      let numbers = samples.map { store.sampleIndex(shard: replica.shard, local: Int($0)) }
      randomLayers.setKey(RandomKey(seed: work.seed, step: work.step, samples: numbers))
    }
    let part =
      repeatedPart
      ?? batch.data.part(
        shard: replica.shard, local: samples, globalCount: batch.sampleCount, epoch: batch.epoch)
    let isRepeated = order.order.stepsPerEpoch == 1 && !order.order.shuffled
    if isRepeated && !batch.data.format.isRandom && isWholePart { repeatedPart = part }
    times.batch += clock.lap()
    Progress.enter(.forward)
    defer { times.forward += clock.lap() }
    let loss = try work.loss(replica.module, part)
    guard loss.elementCount == 1, loss.dtype == .float32 else {
      throw Failure(
        .usage, "the loss is \(loss.dtype) of shape \(loss.shape); it must be one float32",
        remedy: "return the sum over the part's samples divided by globalCount")
    }
    guard loss.requiresGrad else {
      throw Failure(
        .usage, "the loss does not depend on any parameter that is trained",
        remedy: "compute it from the network that the step passes, and train one parameter at least"
      )
    }
    _ = FaultPoint.reach("forward", rank: rank, step: work.step, tensors: [("loss", loss)])
    return loss
  }
}
