import System
import Tensors

/// The samples of each step, and their order. They are computed; there is no state.
///
/// Position g of an epoch (0 <= g < N) belongs to shard g mod S and is that shard's local sample
/// perm[g div S]. Global batch t has the positions tB ..< min((t + 1)B, N). So every sample is used
/// exactly once in each epoch, for all N, B and S. Without shuffling, perm is the identity, and the
/// batches are in the order of the file.
package struct SampleOrder: Sendable {
  package var sampleCount: Int { assignment.sampleCount }  // N
  package var shardCount: Int { assignment.shardCount }  // S
  package let batchSize: Int  // B, global
  package let seed: UInt64
  package let shuffled: Bool
  private let assignment: ShardAssignment

  /// - Precondition: the three counts are positive.
  package init(sampleCount: Int, shardCount: Int, batchSize: Int, seed: UInt64, shuffled: Bool) {
    require(batchSize >= 1, "a batch of \(batchSize) samples")
    assignment = ShardAssignment(sampleCount: sampleCount, shardCount: shardCount)
    self.batchSize = batchSize
    self.seed = seed
    self.shuffled = shuffled
  }

  /// ceil(N / B): the last batch may be smaller.
  package var stepsPerEpoch: Int { (sampleCount - 1) / batchSize + 1 }

  /// The positions of the epoch's batch `t`.
  /// - Precondition: 0 <= t < stepsPerEpoch.
  package func positions(ofBatch t: Int) -> Range<Int> {
    require(0..<stepsPerEpoch ~= t, "no batch \(t) among an epoch's \(stepsPerEpoch)")
    let start = t * batchSize
    return start..<start + min(batchSize, sampleCount - start)
  }

  /// The number of samples in the epoch's batch `t`, over all shards.
  package func batchCount(_ t: Int) -> Int { positions(ofBatch: t).count }

  /// The largest number of samples that a shard has in the epoch's batch `t`. The other shards have
  /// the same number or one less.
  package func largestPart(ofBatch t: Int) -> Int { (batchCount(t) - 1) / shardCount + 1 }

  /// The number of samples of `shard`; 0 for the last shards if there are more shards than samples.
  package func localCount(_ shard: Int) -> Int { assignment.localCount(shard) }

  /// The sample's index in the file.
  package func sampleIndex(shard: Int, local: Int) -> Int {
    assignment.sampleIndex(shard: shard, local: local)
  }

  /// The order of one shard's samples in an epoch.
  /// - Parameter epoch: counted from 1.
  package func localSamples(epoch: Int, shard: Int) -> ShardOrder {
    require(epoch >= 1, "epochs count from 1, not \(epoch)")
    let count = localCount(shard)
    let locals =
      shuffled
      ? CountedRandom(seed: seed, purpose: "permutation", epoch, shard).permutation(count)
      : (0..<count).map { Int32($0) }
    return ShardOrder(order: self, epoch: epoch, shard: shard, locals: locals)
  }

  /// The number of positions of `shard` among the positions 0 ..< end.
  fileprivate func localCount(_ shard: Int, before end: Int) -> Int {
    assignment.localCount(shard, before: end)
  }
}

/// One shard's samples in the order in which one epoch uses them.
package struct ShardOrder: Sendable {
  package let order: SampleOrder
  package let epoch: Int
  package let shard: Int
  /// Local sample indices: a permutation of 0 ..< localCount(shard).
  package let locals: [Int32]

  fileprivate init(order: SampleOrder, epoch: Int, shard: Int, locals: [Int32]) {
    self.order = order
    self.epoch = epoch
    self.shard = shard
    self.locals = locals
  }

  /// The same shard's order in another epoch; without shuffling it costs nothing.
  package func ofEpoch(_ epoch: Int) -> ShardOrder {
    order.shuffled
      ? order.localSamples(epoch: epoch, shard: shard)
      : ShardOrder(order: order, epoch: epoch, shard: shard, locals: locals)
  }

  /// The range in `locals` of this shard's part of batch `t`: g div S for the positions g of the
  /// batch with g mod S = shard. Empty if the batch has none.
  package func slice(batch t: Int) -> Range<Int> {
    let positions = order.positions(ofBatch: t)
    let start = order.localCount(shard, before: positions.lowerBound)
    return start..<order.localCount(shard, before: positions.upperBound)
  }

  /// Calls `body` with this shard's local samples of batch `t`, in order of position, without a
  /// copy.
  package func withSamples<Result>(
    ofBatch t: Int, _ body: (UnsafeBufferPointer<Int32>) throws -> Result
  ) rethrows -> Result {
    let range = slice(batch: t)
    return try locals.withUnsafeBufferPointer { all in
      try body(UnsafeBufferPointer(rebasing: all[range]))
    }
  }
}
