import Communication
import Datasets
import Foundation
import Layers
import System
import Tensors

/// This rank's shards of the training split, in memory, and the order in which epochs use their
/// samples.
///
///     let data = try ShardedData(.csv("flowers.csv", target: "kind"), world: world, shards: 8, batchSize: 64)
///     for batch in data.batches(epoch: 1) { ... }
///
/// Sample i belongs to shard i mod S. The order is computed from the seed, the epoch and S, so
/// every sample is used exactly once in each epoch on any number of ranks.
public final class ShardedData {
  package let order: SampleOrder
  package let store: SampleStore
  package let format: SampleFormat
  /// The digest and the statistics of the training split, found when it was loaded.
  package let facts: DataFacts

  public var sampleCount: Int { order.sampleCount }
  public var batchSize: Int { order.batchSize }
  public var shardCount: Int { order.shardCount }
  /// ceil(N / batchSize): the last batch may be smaller.
  public var stepsPerEpoch: Int { order.stepsPerEpoch }

  /// Loads this rank's shards.
  ///
  /// Collective: every rank, with the same arguments.
  /// - Parameters:
  ///   - shards: S, the number of logical shards, on which the result depends; at least the number
  ///     of ranks.
  ///   - batchSize: samples in a global batch, over all shards.
  ///   - seed: the seed of the order.
  /// - Throws: Failure, the same on every rank: an error of the data set, `usage` if there are more
  ///   ranks than shards, `ranksDisagree` if the ranks read different data.
  public convenience init(
    _ data: TrainingData, world: Communicator, shards: Int, batchSize: Int, seed: UInt64 = 0,
    shuffle: Bool = true
  ) throws {
    try self.init(
      data, world: world, shards: shards, batchSize: batchSize, seed: seed, shuffle: shuffle,
      known: DataFacts(), step: 0)
  }

  /// - Parameters:
  ///   - known: the facts that a resumed run found when it began.
  ///   - step: the number of steps that the run has taken.
  package init(
    _ data: TrainingData, world: Communicator, shards shardCount: Int, batchSize: Int,
    seed: UInt64, shuffle: Bool, known: DataFacts, step: Int
  ) throws {
    guard batchSize >= 1, shardCount >= 1 else {
      throw Failure(
        .usage, "batchSize is \(batchSize) and shards \(shardCount); both must be 1 or more")
    }
    let shards = try ShardRange.checked(world, shardCount: shardCount)
    let store = try world.agree(on: "loading the training split") {
      try FaultPoint.visit("load", rank: world.rank, step: step)
      return try data.load(.train, shards: shards, shardCount: shardCount)
    }
    var facts = known
    try DataAgreement.check(store, &facts, step: step, communicator: world)
    if facts.standardization == nil && data.standardization != .none {
      facts.standardization = try ShardedData.standardization(store, of: data, world)
    }
    var format = data.format
    format.standardize(facts.standardization)
    self.store = store
    self.format = format
    self.facts = facts
    order = SampleOrder(
      sampleCount: store.sampleCount, shardCount: shardCount, batchSize: batchSize, seed: seed,
      shuffled: shuffle)
  }

  /// The global batches of an epoch, in order.
  /// - Parameters:
  ///   - epoch: counted from 1.
  ///   - first: the first batch, if an earlier run stopped within the epoch.
  public func batches(epoch: Int, from first: Int = 0) -> [GlobalBatch] {
    (first..<max(stepsPerEpoch, first)).map { GlobalBatch(data: self, epoch: epoch, index: $0) }
  }

  /// The standardization from the statistics of the whole training split. Every rank combines the
  /// shards' statistics in shard order, so the result is the same on any number of ranks.
  private static func standardization(
    _ store: SampleStore, of data: TrainingData, _ world: Communicator
  ) throws -> DataStandardization {
    let mine = store.shards.map { data.statistics(store, shard: $0) }
    return data.standardization(try world.allgather(mine).flatMap { $0 })
  }

  /// Some samples of one shard, as a part of a batch of `globalCount` samples.
  func part(
    shard: Int, local: UnsafeBufferPointer<Int32>, globalCount: Int, epoch: Int?
  ) -> BatchPart {
    let batch = format.batch(store, shard: shard, local: local, epoch: epoch)
    return BatchPart(
      inputs: batch.inputs, targets: batch.targets, globalCount: globalCount, shard: shard)
  }
}

/// Facts about the training data that a run finds when it loads them, and keeps in its checkpoints.
package struct DataFacts: Codable, Equatable, Sendable {
  /// The digest of the source's bytes, 16 hexadecimal digits; nil if no file is read.
  package var digest: String?
  package var standardization: DataStandardization?

  package init(digest: String? = nil, standardization: DataStandardization? = nil) {
    self.digest = digest
    self.standardization = standardization
  }
}

/// The samples of one optimizer update, over all shards and ranks.
public struct GlobalBatch {
  public let data: ShardedData
  /// Counted from 1.
  public let epoch: Int
  /// The batch's index in the epoch, from 0.
  public let index: Int

  package init(data: ShardedData, epoch: Int, index: Int) {
    self.data = data
    self.epoch = epoch
    self.index = index
  }

  /// The number of samples, over all shards.
  public var sampleCount: Int { data.order.batchCount(index) }
  public var isLastOfEpoch: Bool { index == data.stepsPerEpoch - 1 }

  /// This rank's first shard's part of the batch.
  package func firstPart() throws -> BatchPart {
    let shard = data.store.shards.lowerBound
    return data.order.localSamples(epoch: epoch, shard: shard).withSamples(ofBatch: index) {
      data.part(shard: shard, local: $0, globalCount: sampleCount, epoch: epoch)
    }
  }
}

/// One shard's part of a global batch, or a piece of that part.
public struct BatchPart {
  /// Tensors [n, ...] with the names of the data set.
  public let inputs: NamedTensors
  /// Tensors [n, ...] with the names of the data set.
  public let targets: NamedTensors
  /// The number of samples in the global batch, by which a mean over the batch divides.
  public let globalCount: Int
  public let shard: Int

  /// n.
  public var sampleCount: Int { inputs.first.shape[0] }
}
