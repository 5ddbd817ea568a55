import CKernels
import CSystem
import Communication
import Glibc
import System
import Tensors

/// The tree's sum where ranks are on several hosts: the ranks of a host add their shards up in
/// memory they share, and the first of them exchanges what came out with the other hosts.
///
/// Bucket by bucket, from the arena's end to its beginning, on a thread of its own: a bucket is on
/// its way as soon as the backward passes of the host's shards are past it.
final class MessageReduction {
  let arenas: [Tensor]
  /// Bytes this rank has sent, in all sums.
  private(set) var sentByteCount = 0

  private let communicator: Communicator
  private let ownShards: Range<Int>
  private let elementCount: Int
  private let buckets: [Range<Int>]
  private let memory: HostMemory
  /// The words of this rank's shards.
  private let ownReady: [UnsafeMutablePointer<UInt64>]
  private let localRank: Int
  private let adder: TreeAdder
  /// What makes the host's partials, in its arenas.
  private let hostAdds: [TreePlan.Add]
  /// By bucket; none on ranks that do not speak for their host, and where there is but one host.
  private var exchanges: [WireExchange] = []
  private let hostCount: Int
  private let thread: BackgroundThread?
  /// Sums begun, this one included.
  private var sequence: UInt64 = 0
  private var isUnderWay = false
  /// Signalled when this rank's arenas have another bucket, and when it waits.
  private let wakeup = Wakeup()
  /// 1 while the rank does nothing but wait for the sum.
  private let waiting = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  /// Collective: every rank.
  /// - Parameters:
  ///   - hosts: the ranks by host, as far as they share memory.
  ///   - window: memory for all ranks of this process's host, by local rank; nil: each rank is a host.
  ///   - localRanks: where in the window the parts of this host's ranks are.
  ///   - direct: never by halving.
  init(
    communicator: Communicator, shardCount: Int, elementCount: Int, roundedCount: Int,
    hosts: [[Int]], window: SharedWindow?, localRanks: [Int], direct: Bool
  ) {
    let (rank, worldSize) = (communicator.rank, communicator.worldSize)
    // With one host the sum would lie in the arena of its first rank, who writes it anew too soon.
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

  /// Begins a sum: its buckets go out as `noteFinal` lets them. Until `allreduceSum` has returned,
  /// this thread must leave MPI alone.
  func begin() {
    require(!isUnderWay, "a sum was begun before the last was over")
    guard let thread else { return }
    isUnderWay = true
    sequence += 1
    thread.begin { [unowned self] in try serve() }
  }

  /// The elements of a shard's arena from `offset` on are as they are to be added. Any thread; a
  /// shard's calls one after the other. Without effect before `begin`.
  func noteFinal(shard: Int, from offset: Int) {
    if !isUnderWay { return }
    // The buckets lie from the end to the beginning, but for the first ones, behind what is rounded.
    let count = buckets.prefix { $0.lowerBound >= offset }.count
    let isNews = nd_spin_until(memory.ready[shard]!, word(count), 1) == 0
    nd_store_release(memory.ready[shard]!, word(count))
    // Nothing can be done before all of the rank's shards are as far.
    guard isNews, has(ownReady, count) else { return }
    wakeup.signal()
    // Or a scheduler that shares a core fairly lets the thread wait for its next tick, 4 ms.
    sched_yield()
  }

  /// The sum. All of this rank's arenas must be final.
  /// - Parameter threads: what a rank that is alone may use.
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

  /// What a word of the host's memory says where `count` buckets of this sum are through.
  private func word(_ count: Int) -> UInt64 {
    (sequence - 1) * UInt64(buckets.count) + UInt64(count)
  }

  private var isWaiting: Bool { nd_spin_until(waiting, 1, 1) != 0 }

  private func has(_ words: some Sequence<UnsafeMutablePointer<UInt64>>, _ count: Int) -> Bool {
    words.allSatisfy { nd_spin_until($0, word(count), 1) != 0 }
  }

  /// The whole of one sum, on the thread.
  private func serve() throws {
    // Nothing is to be done before the backward pass has made something: the core is the rank's.
    var patience = Patience(waiting: waiting, wakeup: wakeup)
    while !isWaiting, !has(ownReady, 1) {
      wakeup.sleep(atMostMicroseconds: 1_000_000)
    }
    try communicator.enter(
      .sum, of: adder.roundedCount > 0 ? .bfloat16 : .float32, count: elementCount,
      at: "gradients", isBehind: true)
    var (summed, started, finished) = (0, 0, 0)
    var isThrough = [Bool](repeating: false, count: buckets.count)
    do {
      while finished < buckets.count {
        var moved = false
        if summed < buckets.count, has(memory.ready.values, summed + 1) {
          sumHost(buckets[summed])
          summed += 1
          nd_store_release(memory.summed[localRank], word(summed))
          moved = true
        }
        if localRank == 0 {
          if started < summed, has(memory.summed, started + 1) {
            try exchanges[started].start()
            started += 1
            moved = true
          }
          let underWay = (finished..<started).filter { !isThrough[$0] }
          try communicator.progress(underWay.flatMap { exchanges[$0].requests })
          for number in underWay where try exchanges[number].poll() {
            isThrough[number] = true
            moved = true
          }
          while finished < started, isThrough[finished] { finished += 1 }
          nd_store_release(memory.done, word(finished))
        } else if summed == buckets.count, has([memory.done], buckets.count) {
          finished = buckets.count
        }
        if moved { patience.renew() } else { patience.rest() }
      }
    } catch {
      for exchange in exchanges { exchange.abandon() }
      throw error
    }
  }

  /// This rank's slice of the host's partials.
  private func sumHost(_ bucket: Range<Int>) {
    if hostAdds.isEmpty {
      // A single shard: there is no addition that would round it.
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

/// How the thread waits: asleep while the rank computes, which needs the core, but for a look at what
/// has arrived now and then; awake while the rank itself waits. After long in vain with longer naps:
/// others may need the core.
private struct Patience {
  let waiting: UnsafePointer<UInt64>
  let wakeup: Wakeup
  private var turns = 0

  /// A look interrupts the rank, which costs it some 50 us with what they do to its caches; the
  /// system's buffers keep a link of 1 Gbit/s busy for longer.
  private static let napMicroseconds = 500

  init(waiting: UnsafePointer<UInt64>, wakeup: Wakeup) {
    self.waiting = waiting
    self.wakeup = wakeup
  }

  mutating func renew() { turns = 0 }

  mutating func rest() {
    turns += 1
    if nd_spin_until(waiting, 1, 1) == 0 {
      wakeup.sleep(atMostMicroseconds: Patience.napMicroseconds)
    } else if turns < 2000 {
      sched_yield()
    } else {
      usleep(turns < 4000 ? 100 : 500)
    }
  }
}
