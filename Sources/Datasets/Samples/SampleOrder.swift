import System
import Tensors

/// Which samples each step uses, and in which order: arithmetic, no state.
///
/// Position g of an epoch (0 <= g < N) belongs to shard g mod S and is that shard's local sample
/// perm[g div S]; global batch t holds positions tB ..< min((t + 1)B, N). So every sample is used
/// exactly once an epoch, whatever N, B and S are. With shuffling off perm is the identity and the
/// batches are the file's own order.
package struct SampleOrder: Sendable {
  package var sampleCount: Int { deal.sampleCount }  // N
  package var shardCount: Int { deal.shardCount }  // S
  package let batchSize: Int  // B, global
  package let seed: UInt64
  package let shuffled: Bool
  private let deal: SampleDeal

  /// - Precondition: the three counts are positive.
  package init(sampleCount: Int, shardCount: Int, batchSize: Int, seed: UInt64, shuffled: Bool) {
    require(batchSize >= 1, "a batch of \(batchSize) samples")
    deal = SampleDeal(sampleCount: sampleCount, shardCount: shardCount)
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

  /// Samples in the epoch's batch `t`, over all shards.
  package func batchCount(_ t: Int) -> Int { positions(ofBatch: t).count }

  /// Samples of the epoch's batch `t` on the shard that has the most; others have one less at most.
  package func largestPart(ofBatch t: Int) -> Int { (batchCount(t) - 1) / shardCount + 1 }

  /// Samples of `shard`; 0 for the last shards where there are more shards than samples.
  package func localCount(_ shard: Int) -> Int { deal.localCount(shard) }

  /// The sample's index in the file.
  package func sampleIndex(shard: Int, local: Int) -> Int {
    deal.sampleIndex(shard: shard, local: local)
  }

  /// A whole epoch's order of one shard's samples.
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

  /// How many of the positions 0 ..< end are `shard`'s.
  fileprivate func localCount(_ shard: Int, before end: Int) -> Int {
    deal.localCount(shard, before: end)
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

  /// The same shard's order in another epoch; it costs nothing where samples are not shuffled.
  package func ofEpoch(_ epoch: Int) -> ShardOrder {
    order.shuffled
      ? order.localSamples(epoch: epoch, shard: shard)
      : ShardOrder(order: order, epoch: epoch, shard: shard, locals: locals)
  }

  /// Where in `locals` this shard's part of batch `t` lies: from the positions g of the batch with
  /// g mod S = shard, the g div S. Empty where the batch has none.
  package func slice(batch t: Int) -> Range<Int> {
    let positions = order.positions(ofBatch: t)
    let start = order.localCount(shard, before: positions.lowerBound)
    return start..<order.localCount(shard, before: positions.upperBound)
  }

  /// Calls `body` with this shard's local samples of batch `t`, in order of position; not copied.
  package func withSamples<Result>(
    ofBatch t: Int, _ body: (UnsafeBufferPointer<Int32>) throws -> Result
  ) rethrows -> Result {
    let range = slice(batch: t)
    return try locals.withUnsafeBufferPointer { all in
      try body(UnsafeBufferPointer(rebasing: all[range]))
    }
  }
}
