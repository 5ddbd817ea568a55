import Communication
import DataParallel
import Datasets
import Foundation
import System
import Tensors

/// Who computes which samples.
extension Trainer {
  static func deal(
    _ shardCount: Int, epoch: Int, job: TrainingJob, layout: ArenaLayout, parameters: Tensor,
    buffers: ModuleBuffers, state: inout CheckpointState, communicator: Communicator,
    console: Console
  ) throws -> Deal {
    guard communicator.worldSize <= shardCount else {
      throw Failure(
        .usage, "\(communicator.worldSize) ranks for \(shardCount) shards",
        remedy: "use at most \(shardCount) ranks, or start a run with more --shards")
    }
    let shards = ShardRange.of(
      rank: communicator.rank, worldSize: communicator.worldSize, shardCount: shardCount)
    let data = try communicator.agree(on: "loading the training split") {
      try FaultPoint.visit("load", rank: communicator.rank, step: state.step)
      return try job.data.load(.train, shards: shards, shardCount: shardCount)
    }
    try DataAgreement.check(data, &state, communicator: communicator)
    if state.standardization == nil && job.data.standardization != .none {
      state.standardization = try standardization(data, of: job.data, communicator: communicator)
    }
    var format = job.data.format
    format.standardize(state.standardization)
    let order = SampleOrder(
      sampleCount: data.sampleCount, shardCount: shardCount, batchSize: job.batchSize,
      seed: job.seed, shuffled: job.isShuffled)
    let reduction = try TreeReduction(
      communicator: communicator, shardCount: shardCount,
      elementCount: ShardReplica.arenaElementCount(layout, buffers),
      roundedCount: job.compressesGradients ? layout.elementCount : 0)
    if let note = reduction.note { console.line("note: \(note)") }
    let workers = zip(shards, reduction.arenas).map { shard, arena in
      let replica = ShardReplica(
        shard: shard, module: job.makeModel(), layout: layout, parameters: parameters,
        gradients: arena, buffers: buffers)
      if reduction.overlaps {
        replica.onFinal = { [unowned reduction] in reduction.noteFinal(shard: shard, from: $0) }
      }
      if reduction.isTrivial { replica.askWhetherFinite() }
      return ShardWorker(
        replica: replica, rank: communicator.rank, data: data, format: format, order: order,
        epoch: epoch)
    }
    try communicator.agree(on: "looking at batch normalization") {
      try BatchNormCheck.verify(
        workers[0].replica.module, data, format, order, microBatchSize: job.microBatchSize)
    }
    let synchronizer = try synchronizer(
      of: workers, shardCount: shardCount, job: job, data: data, format: format,
      communicator: communicator)
    return Deal(
      order: order, workers: workers, reduction: reduction, synchronizer: synchronizer)
  }

  /// The statistics of the whole training split: each shard's part, joined in shard order on every
  /// rank, so that they are the same on any number of ranks.
  private static func standardization(
    _ data: SampleStore, of set: DataSet, communicator: Communicator
  ) throws -> DataStandardization {
    let mine = data.shards.map { set.statistics(data, shard: $0) }
    let all = try communicator.allgather(bytes: Array(try JSONEncoder().encode(mine)))
    let parts = try all.flatMap { try JSONDecoder().decode([SplitStatistics].self, from: Data($0)) }
    return set.standardization(parts)
  }
}

extension CheckpointState {
  mutating func dealAnew(over shardCount: Int, _ console: Console) {
    guard shards != shardCount else { return }
    console.line(
      "note: from epoch \(epoch) on the samples are dealt over \(shardCount) shards instead of "
        + "\(shards): a new recipe from here")
    shards = shardCount
  }
}
