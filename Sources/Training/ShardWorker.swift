import Autograd
import DataParallel
import Datasets
import Layers
import System
import Tensors

/// One shard at work: its samples, their order in this epoch, and its replica of the network.
final class ShardWorker {
  let replica: ShardReplica
  private let data: SampleStore
  private let format: SampleFormat
  private var order: ShardOrder
  /// Whose shard it is.
  private let rank: Int
  private let hasDropout: Bool
  /// Where the shard meets the others, if the network has layers that do.
  var meetings: ShardSynchronizer.Member? {
    didSet {
      for layer in replica.module.synchronizedBatchNorms { layer.core.synchronizer = meetings }
    }
  }
  /// The one batch of an epoch that is the same in all, behind `front`.
  private var kept: Batch?
  /// The network in two: only a batch that is another needs to pass `front`.
  private let front, rest: any Module
  /// Of the last step.
  private(set) var times = StepTimes()
  /// Of the last step.
  private(set) var sampleCount = 0
  /// Elements of the replica's arena that need no look to be known to be finite.
  private(set) var surelyFinite: [Range<Int>] = []

  init(
    replica: ShardReplica, rank: Int, data: SampleStore, format: SampleFormat, order: SampleOrder,
    epoch: Int
  ) {
    self.replica = replica
    (front, rest) = replica.module.fixedFrontAndRest
    self.rank = rank
    self.data = data
    self.format = format
    self.order = order.localSamples(epoch: epoch, shard: replica.shard)
    var hasDropout = false
    replica.module.forEachModule { hasDropout = hasDropout || $1 is Dropout }
    self.hasDropout = hasDropout
  }

  func begin(epoch: Int) {
    if order.epoch != epoch { order = order.ofEpoch(epoch) }
  }

  /// Leaves in the replica's arena the shard's part of batch `t`: gradients and loss of its samples,
  /// divided by the count of the global batch. Its pieces are added in order.
  func compute(batch t: Int, step: Int, job: TrainingJob, buffers: ModuleBuffers) {
    times = StepTimes()
    order.withSamples(ofBatch: t) { samples in
      defer { meetings?.endStep() }
      sampleCount = samples.count
      surelyFinite = []
      guard !samples.isEmpty else { return replica.clear() }
      _ = FaultPoint.reach(
        "samples", rank: rank, step: step, tensors: [self.sampleIndices(of: samples)])
      replica.load(buffers)
      let pieces = MicroBatches.ranges(of: samples.count, atMost: job.microBatchSize)
      for piece in pieces {
        let loss = self.loss(
          of: UnsafeBufferPointer(rebasing: samples[piece]), isWholePart: pieces.count == 1,
          globalCount: order.order.batchCount(t), step: step, job: job)
        if piece.upperBound == samples.count { fetchAhead(batch: t + 1) }
        Progress.enter(.backward)
        var clock = Stopwatch()
        replica.differentiate(
          loss, isFirst: piece.lowerBound == 0, isLast: piece.upperBound == samples.count)
        times.backward += clock.lap()
      }
      let fault = FaultPoint.reach(
        "backward", rank: rank, step: step, tensors: self.replica.gradients)
      if fault != .damaged { surelyFinite = replica.surelyFinite }
    }
  }

  /// Shuffled samples are out of cache: those of the next batch are on their way while the rest of this
  /// one is computed.
  private func fetchAhead(batch t: Int) {
    guard order.order.shuffled, t < order.order.stepsPerEpoch else { return }
    order.withSamples(ofBatch: t) { data.prefetch(shard: replica.shard, local: $0) }
  }

  /// Where the samples are in the split; [n] int64, called after epoch and shard.
  private func sampleIndices(
    of samples: UnsafeBufferPointer<Int32>
  ) -> (name: String, tensor: Tensor) {
    let indices = samples.map {
      Int64(data.sampleIndex(shard: replica.shard, local: Int($0)))
    }
    return (
      "epoch \(order.epoch) shard \(replica.shard)", Tensor(indices, shape: [indices.count])
    )
  }

  /// The share of some of the shard's samples in the global mean loss.
  private func loss(
    of samples: UnsafeBufferPointer<Int32>, isWholePart: Bool, globalCount: Int, step: Int,
    job: TrainingJob
  ) -> Tensor {
    Progress.enter(.data)
    var clock = Stopwatch()
    if hasDropout {
      let numbers = samples.map { data.sampleIndex(shard: replica.shard, local: Int($0)) }
      replica.module.setDropoutKey(DropoutKey(seed: job.seed, step: step, samples: numbers))
    }
    let batch = kept ?? self.batch(of: samples)
    let isAlwaysTheSame = order.order.stepsPerEpoch == 1 && !order.order.shuffled
    if isAlwaysTheSame && !format.isRandom && isWholePart { kept = batch }
    times.batch += clock.lap()
    Progress.enter(.forward)
    defer { times.forward += clock.lap() }
    let loss = job.loss(rest(batch.inputs), batch.targets, globalCount: globalCount)
    _ = FaultPoint.reach("forward", rank: rank, step: step, tensors: [("loss", loss)])
    return loss
  }

  /// Samples as the network sees them, but behind the modules in front of it that have no parameters.
  private func batch(of samples: UnsafeBufferPointer<Int32>) -> Batch {
    let batch = format.batch(data, shard: replica.shard, local: samples, epoch: order.epoch)
    return Batch(inputs: front(batch.inputs), targets: batch.targets)
  }
}
