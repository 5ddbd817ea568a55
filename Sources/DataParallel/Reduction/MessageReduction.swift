import CKernels
import CSystem
import Communication
import Glibc
import System
import Tensors

/// The tree's sum for ranks on several hosts. The ranks of a host add their shards in shared
/// memory, and the first of them exchanges the results with the other hosts.
///
/// It works bucket by bucket, from the arena's end to its beginning, on a background thread. A
/// bucket is sent as soon as the backward passes of all the host's shards have computed its
/// gradients.
final class MessageReduction {
  let arenas: [Tensor]
  /// Bytes this rank has sent, in all sums.
  private(set) var sentByteCount = 0

  private let communicator: Communicator
  private let ownShards: Range<Int>
  private let elementCount: Int
  private let buckets: [Range<Int>]
  private let memory: HostMemory
  /// The `ready` words of this rank's shards.
  private let ownReady: [UnsafeMutablePointer<UInt64>]
  private let localRank: Int
  private let adder: TreeAdder
  /// The additions that compute the host's partials in its arenas.
  private let hostAdds: [TreePlan.Add]
  /// By bucket; empty on all ranks except the first of each host, and if there is only one host.
  private var exchanges: [WireExchange] = []
  private let hostCount: Int
  private let thread: BackgroundThread?
  /// The number of sums begun, including the current one.
  private var sequence: UInt64 = 0
  private var isUnderWay = false
  /// Signalled when another bucket of this rank's arenas is final, and when the rank starts to
  /// wait.
  private let wakeup = Wakeup()
  /// 1 while the rank only waits for the sum.
  private let waiting = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  /// Collective: every rank.
  /// - Parameters:
  ///   - hosts: the ranks by host; the ranks of a host share memory.
  ///   - window: memory of this host's ranks, by local rank; nil: each rank counts as a host.
  ///   - localRanks: the indices of the ranks' parts in the window, for the ranks of this host.
  ///   - direct: never uses halving.
  init(
    communicator: Communicator, shardCount: Int, elementCount: Int, roundedCount: Int,
    hosts: [[Int]], window: SharedWindow?, localRanks: [Int], direct: Bool
  ) {
    let (rank, worldSize) = (communicator.rank, communicator.worldSize)
    // With one host, the sum would be in the arena of its first rank, which overwrites it before
    // the others have read it.
    require(hosts.count > 1 || worldSize == 1, "messages within one host")
    self.communicator = communicator
    self.elementCount = elementCount
    let ranges = (0..<worldSize).map {
      ShardRange.of(rank: $0, worldSize: worldSize, shardCount: shardCount)
    }
    ownShards = ranges[rank]
    adder = TreeAdder(roundedCount: roundedCount)
    buckets = ArenaSections.buckets(elementCount: elementCount, roundedCount: roundedCount)
    hostCount = hosts.count

    let host = hosts.firstIndex { $0.contains(rank) }!
    let shards = hosts[host].map { ranges[$0] }
    localRank = hosts[host].firstIndex(of: rank)!
    if let window {
      memory = HostMemory(
        parts: localRanks.map { window.parts[$0].baseAddress! }, shards: shards,
        elementCount: elementCount, owner: window)
    } else {
      let storage = Storage(
        byteCount: HostMemory.byteCount(
          shardCount: shards[0].count, elementCount: elementCount, isFirst: true))
      memset(storage.base, 0, storage.byteCount)
      memory = HostMemory(
        parts: [storage.base], shards: shards, elementCount: elementCount, owner: storage)
    }
    let memory = self.memory
    arenas = ownShards.map { memory.tensor(shard: $0, elementCount: elementCount) }
    ownReady = ownShards.map { memory.ready[$0]! }

    var owners = [Int](repeating: 0, count: shardCount)
    for (index, ranks) in hosts.enumerated() {
      for shard in ranks.flatMap({ ranges[$0] }) { owners[shard] = index }
    }
    let plan = TreePlan(owners: owners, ownerCount: hosts.count)
    hostAdds = plan.partials[host].flatMap(\.adds)
    thread = worldSize > 1 ? BackgroundThread() : nil
    waiting.initialize(to: 0)
    if hosts.count > 1 && localRank == 0 {
      exchanges = buckets.enumerated().map { number, bucket in
        WireExchange(
          WireSchedule(plan: plan, host: host, bucket: bucket, direct: direct), number: number,
          bucket: bucket, adder: adder, ranks: hosts.map { $0[0] }, communicator: communicator,
          partial: { memory.arenas[$0]! }, sum: memory.sum)
      }
    }
  }

  deinit {
    waiting.deallocate()
  }

  var overlaps: Bool { thread != nil }

  /// Begins a sum: each bucket is sent after `noteFinal` has reported its elements. Until
  /// `allreduceSum` returns, the calling thread must not call MPI.
  func begin() {
    require(!isUnderWay, "a sum was begun before the last was over")
    guard let thread else { return }
    isUnderWay = true
    sequence += 1
    thread.begin { [unowned self] in try serve() }
  }

  /// Reports that the elements of a shard's arena from `offset` on are final. May be called on any
  /// thread, but not concurrently for one shard. Has no effect before `begin`.
  func noteFinal(shard: Int, from offset: Int) {
    if !isUnderWay { return }
    // The buckets are in order from the arena's end to its beginning, so final buckets come first.
    let count = buckets.prefix { $0.lowerBound >= offset }.count
    let isNew = nd_spin_until(memory.ready[shard]!, word(count), 1) == 0
    nd_store_release(memory.ready[shard]!, word(count))
    // The thread can do nothing before all shards of the rank have this many final buckets.
    guard isNew, has(ownReady, count) else { return }
    wakeup.signal()
    // Without it, a scheduler that shares a core fairly lets the thread wait for its next tick, 4
    // ms.
    sched_yield()
  }

  /// Returns the sum over all shards. All of this rank's arenas must be final.
  /// - Parameter threads: the rank's threads, used only if there is one rank.
  func allreduceSum(on threads: ShardThreads? = nil) throws -> UnsafePointer<Float> {
    guard let thread else {
      if hostAdds.isEmpty {
        for bucket in buckets { sumHost(bucket) }
      } else if let threads {
        threads.run(over: 0..<elementCount, add)
      } else {
        add(0..<elementCount)
      }
      return UnsafePointer(memory.arenas[0]!)
    }
    if !isUnderWay { begin() }
    for shard in ownShards { noteFinal(shard: shard, from: 0) }
    nd_store_release(waiting, 1)
    defer { nd_store_release(waiting, 0) }
    wakeup.signal()
    try thread.wait()
    isUnderWay = false
    sentByteCount = exchanges.reduce(0) { $0 + $1.byteCount }
    return UnsafePointer(memory.sum)
  }

  /// The value of a progress word in the host's memory if `count` buckets of this sum are done.
  private func word(_ count: Int) -> UInt64 {
    (sequence - 1) * UInt64(buckets.count) + UInt64(count)
  }

  private var isWaiting: Bool { nd_spin_until(waiting, 1, 1) != 0 }

  /// Whether all of the progress words have reached `count` buckets of this sum.
  private func has(_ words: some Sequence<UnsafeMutablePointer<UInt64>>, _ count: Int) -> Bool {
    words.allSatisfy { nd_spin_until($0, word(count), 1) != 0 }
  }

  /// Computes one sum, on the background thread.
  private func serve() throws {
    // There is nothing to do before the backward pass has computed a bucket, and the rank needs the
    // core.
    var backoff = Backoff(waiting: waiting, wakeup: wakeup)
    while !isWaiting, !has(ownReady, 1) {
      wakeup.sleep(atMostMicroseconds: 1_000_000)
    }
    try communicator.enter(
      .sum, of: adder.roundedCount > 0 ? .bfloat16 : .float32, count: elementCount,
      at: "gradients", runsInBackground: true)
    var (summed, started, finished) = (0, 0, 0)
    var isComplete = [Bool](repeating: false, count: buckets.count)
    do {
      while finished < buckets.count {
        var hasAdvanced = false
        if summed < buckets.count, has(memory.ready.values, summed + 1) {
          sumHost(buckets[summed])
          summed += 1
          nd_store_release(memory.summed[localRank], word(summed))
          hasAdvanced = true
        }
        if localRank == 0 {
          if started < summed, has(memory.summed, started + 1) {
            try exchanges[started].start()
            started += 1
            hasAdvanced = true
          }
          let underWay = (finished..<started).filter { !isComplete[$0] }
          try communicator.progress(underWay.flatMap { exchanges[$0].requests })
          for number in underWay where try exchanges[number].poll() {
            isComplete[number] = true
            hasAdvanced = true
          }
          while finished < started, isComplete[finished] { finished += 1 }
          nd_store_release(memory.done, word(finished))
        } else if summed == buckets.count, has([memory.done], buckets.count) {
          finished = buckets.count
        }
        if hasAdvanced { backoff.reset() } else { backoff.pause() }
      }
    } catch {
      for exchange in exchanges { exchange.abandon() }
      throw error
    }
  }

  /// Adds this rank's slice of the host's partials.
  private func sumHost(_ bucket: Range<Int>) {
    if hostAdds.isEmpty {
      // A single shard: without an addition, nothing has rounded it yet.
      if hostCount == 1 { round(bucket) }
      return
    }
    add(ArenaSections.slices(of: bucket, count: memory.shards.count)[localRank])
  }

  private func add(_ slice: Range<Int>) {
    ArenaSections.inBlocks(slice) { start, count in
      for add in hostAdds {
        let (target, other) = (memory.arenas[add.dst]! + start, memory.arenas[add.src]! + start)
        adder.add(target, target, other, start: start, count: count)
      }
    }
  }

  private func round(_ bucket: Range<Int>) {
    guard bucket.upperBound <= adder.roundedCount else { return }
    let first = memory.arenas[0]! + bucket.lowerBound
    nd_round_bf16(first, first, bucket.count)
  }
}

/// Pauses the background thread between two polls. While the rank computes, which needs the core,
/// the thread sleeps and polls rarely. While the rank itself waits, the thread polls all the time,
/// and after many polls without progress it sleeps too, because others may need the core.
private struct Backoff {
  let waiting: UnsafePointer<UInt64>
  let wakeup: Wakeup
  /// Pauses since the last progress.
  private var pauses = 0

  /// A poll interrupts the rank, which costs it some 50 us, including the effect on its caches. The
  /// system's buffers keep a link of 1 Gbit/s busy for longer than this sleep.
  private static let sleepMicroseconds = 500

  init(waiting: UnsafePointer<UInt64>, wakeup: Wakeup) {
    self.waiting = waiting
    self.wakeup = wakeup
  }

  /// Call it after progress.
  mutating func reset() { pauses = 0 }

  mutating func pause() {
    pauses += 1
    if nd_spin_until(waiting, 1, 1) == 0 {
      wakeup.sleep(atMostMicroseconds: Backoff.sleepMicroseconds)
    } else if pauses < 2000 {
      sched_yield()
    } else {
      usleep(pauses < 4000 ? 100 : 500)
    }
  }
}
