import Autograd
import Communication
import Glibc
import System
import Tensors

/// Where all shards of all ranks meet in the middle of a step, for batch norm over the global batch:
/// each brings a few values and goes on with their sum over all shards.
///
/// The sum is the tree's, so its bits depend on the number of shards alone. All shards of a rank are
/// under way at once, each on a thread of its own; the rank's first shard, which is on the caller's
/// thread, alone talks to the other ranks. A shard without samples comes to every meeting with zeros.
package final class ShardSynchronizer: @unchecked Sendable {
  /// One for each of this rank's shards.
  package let threads: ShardThreads
  /// In shard order.
  package private(set) var members: [Member] = []
  private let arenas: [Tensor]
  private let valueCount: Int
  fileprivate let meetingCount: Int
  private let allreduceSum: () throws -> UnsafePointer<Float>

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  // All below is guarded by the mutex.
  private var arrived = 0
  private var generation = 0
  /// [valueCount]; a copy, as the next meeting's values may come before all have read it.
  private var sum: [Float]
  private var failure: (any Error)?

  /// Collective: every rank.
  /// - Parameters:
  ///   - valueCount: the most values of a meeting.
  ///   - meetingCount: meetings of a step.
  /// - Throws: Failure(.ranksDisagree), the same on every rank; MPIError.
  package convenience init(
    communicator: Communicator, shardCount: Int, valueCount: Int, meetingCount: Int
  ) throws {
    let reduction = try TreeReduction(
      communicator: communicator, shardCount: shardCount, elementCount: valueCount)
    self.init(arenas: reduction.arenas, meetingCount: meetingCount) {
      try reduction.allreduceSum()
    }
  }

  /// - Parameters:
  ///   - arenas: of this rank's shards, float32 of one shape [n].
  ///   - allreduceSum: their sum with those of other ranks; it may write to them.
  package init(
    arenas: [Tensor], meetingCount: Int,
    allreduceSum: @escaping () throws -> UnsafePointer<Float>
  ) {
    self.arenas = arenas
    self.meetingCount = meetingCount
    self.allreduceSum = allreduceSum
    valueCount = arenas[0].elementCount
    sum = [Float](repeating: 0, count: valueCount)
    threads = ShardThreads(count: arenas.count)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(changed, nil)
    members = arenas.indices.map { Member(self, $0) }
  }

  deinit {
    threads.end()
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(changed)
    mutex.deallocate()
    changed.deallocate()
  }

  /// To be called after each step: what happened at a meeting is known to the first shard's thread
  /// alone, and the others went on with zeros.
  /// - Throws: what the sum threw.
  package func check() throws { if let failure { throw failure } }

  /// One shard at the meetings.
  package final class Member: BatchSynchronizer {
    private unowned let owner: ShardSynchronizer
    private let index: Int
    /// Of the current step.
    private var meetings = 0

    fileprivate init(_ owner: ShardSynchronizer, _ index: Int) {
      self.owner = owner
      self.index = index
    }

    /// - Precondition: no more meetings than a step has, as the other shards would not come.
    package func sum(_ values: [Float]) -> [Float] {
      meetings += 1
      require(
        meetings <= owner.meetingCount,
        "a shard comes to a meeting more than the \(owner.meetingCount) of a step")
      return owner.meet(index, values)
    }

    /// Ends the shard's step: one without samples comes to all meetings of the step now.
    /// - Precondition: no meeting was missed, as the other shards would wait for ever.
    package func endStep() {
      if meetings == 0 { while meetings < owner.meetingCount { _ = sum([]) } }
      require(
        meetings == owner.meetingCount,
        "a shard came to \(meetings) of the \(owner.meetingCount) meetings of a step")
      meetings = 0
    }
  }

  private func meet(_ index: Int, _ values: [Float]) -> [Float] {
    require(values.count <= valueCount, "\(values.count) values, where \(valueCount) are the most")
    let place = arenas[index].pointer(Float.self)
    for i in 0..<valueCount { place[i] = i < values.count ? values[i] : 0 }

    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    arrived += 1
    if index == 0 {
      while arrived < arenas.count { pthread_cond_wait(changed, mutex) }
      // The others wait for the next generation, so nothing changes meanwhile.
      pthread_mutex_unlock(mutex)
      let total = totalOfAllRanks()
      pthread_mutex_lock(mutex)
      sum = total
      arrived = 0
      generation += 1
      pthread_cond_broadcast(changed)
    } else {
      let current = generation
      if arrived == arenas.count { pthread_cond_broadcast(changed) }
      while generation == current { pthread_cond_wait(changed, mutex) }
    }
    return Array(sum[..<values.count])
  }

  /// After a failure zeros: the step is lost, and no rank is to wait for this one's threads.
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
