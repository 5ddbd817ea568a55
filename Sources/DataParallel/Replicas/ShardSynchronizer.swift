import Autograd
import Communication
import System
import Tensors

/// Sums a few values of each shard over all shards of all ranks in the middle of a step, for batch
/// norm over the global batch. Every shard waits for the sum.
///
/// The sum is in the order of TreePlan, so its bits depend only on the number of shards. All shards
/// of a rank run at the same time, each on its own thread. Only the rank's first shard, which is on
/// the caller's thread, communicates with other ranks. A shard without samples adds zeros to every
/// sum.
package final class ShardSynchronizer: @unchecked Sendable {
  /// One thread for each of this rank's shards.
  package let threads: ShardThreads
  /// In shard order.
  package private(set) var members: [Member] = []
  private let arenas: [Tensor]
  private let valueCount: Int
  fileprivate let sumsPerStep: Int
  private let allreduceSum: () throws -> UnsafePointer<Float>

  private let monitor = Monitor()
  // The monitor guards all properties below.
  /// The number of shards that have written their values for the current sum.
  private var arrived = 0
  /// The number of complete sums.
  private var generation = 0
  /// [valueCount]; a copy, because a shard may write its next values before all have read the sum.
  private var sum: [Float]
  private var failure: (any Error)?

  /// Collective: every rank.
  /// - Parameters:
  ///   - valueCount: the most values of a sum.
  ///   - sumsPerStep: how often each shard calls `sum` in a step.
  /// - Throws: Failure(.ranksDisagree), the same on every rank; MPIError.
  package convenience init(
    communicator: Communicator, shardCount: Int, valueCount: Int, sumsPerStep: Int
  ) throws {
    let reduction = try TreeReduction(
      communicator: communicator, shardCount: shardCount, elementCount: valueCount)
    self.init(arenas: reduction.arenas, sumsPerStep: sumsPerStep) {
      try reduction.allreduceSum()
    }
  }

  /// - Parameters:
  ///   - arenas: one for each of this rank's shards, all float32 of the same shape [n].
  ///   - allreduceSum: returns the sum of the arenas of all ranks; it may write to `arenas`.
  package init(
    arenas: [Tensor], sumsPerStep: Int,
    allreduceSum: @escaping () throws -> UnsafePointer<Float>
  ) {
    self.arenas = arenas
    self.sumsPerStep = sumsPerStep
    self.allreduceSum = allreduceSum
    valueCount = arenas[0].elementCount
    sum = [Float](repeating: 0, count: valueCount)
    threads = ShardThreads(count: arenas.count)
    members = arenas.indices.map { Member(self, $0) }
  }

  deinit { threads.end() }

  /// Throws the error of a failed sum. Call it after each step: only the first shard's thread sees
  /// the error, and the others continue with zeros.
  /// - Throws: the error of `allreduceSum`.
  package func check() throws { if let failure { throw failure } }

  /// The synchronizer of one shard, which its batch norm layers use.
  package final class Member: BatchSynchronizer {
    private unowned let owner: ShardSynchronizer
    private let index: Int
    /// Sums of the current step so far.
    private var sumCount = 0

    fileprivate init(_ owner: ShardSynchronizer, _ index: Int) {
      self.owner = owner
      self.index = index
    }

    /// Returns the sum of `values` over all shards.
    /// - Precondition: at most `sumsPerStep` calls in a step; the other shards would not take part
    ///   in another.
    package func sum(_ values: [Float]) -> [Float] {
      sumCount += 1
      require(
        sumCount <= owner.sumsPerStep,
        "a shard comes to a meeting more than the \(owner.sumsPerStep) of a step")
      return owner.sumAllShards(index, values)
    }

    /// Ends the shard's step. A shard without samples takes part in all sums of the step now.
    /// - Precondition: no sum was missed, because the other shards would wait for it forever.
    package func endStep() {
      if sumCount == 0 { while sumCount < owner.sumsPerStep { _ = sum([]) } }
      require(
        sumCount == owner.sumsPerStep,
        "a shard came to \(sumCount) of the \(owner.sumsPerStep) meetings of a step")
      sumCount = 0
    }
  }

  /// Writes the values of shard `index` (of this rank) to its arena, waits for all shards, and
  /// returns the sum.
  private func sumAllShards(_ index: Int, _ values: [Float]) -> [Float] {
    require(values.count <= valueCount, "\(values.count) values, where \(valueCount) are the most")
    let place = arenas[index].pointer(Float.self)
    for i in 0..<valueCount { place[i] = i < values.count ? values[i] : 0 }

    monitor.lock()
    defer { monitor.unlock() }
    arrived += 1
    if index == 0 {
      while arrived < arenas.count { monitor.wait() }
      // The others wait for the next generation, so nothing changes while the mutex is released.
      monitor.unlock()
      let total = totalOfAllRanks()
      monitor.lock()
      sum = total
      arrived = 0
      generation += 1
      monitor.broadcast()
    } else {
      let current = generation
      if arrived == arenas.count { monitor.broadcast() }
      while generation == current { monitor.wait() }
    }
    return Array(sum[..<values.count])
  }

  /// The sum over all ranks; zeros after a failure: then the step is lost, but this rank's threads
  /// must reach its end.
  private func totalOfAllRanks() -> [Float] {
    if failure == nil {
      do {
        return Array(UnsafeBufferPointer(start: try allreduceSum(), count: valueCount))
      } catch {
        failure = error
      }
    }
    return [Float](repeating: 0, count: valueCount)
  }
}
