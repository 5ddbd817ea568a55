import CSystem
import Glibc
import System
import Tensors

/// The threads of a rank. Each works on its own shards or blocks.
///
/// The number of threads does not change the results' bits: a piece of work is never split, and no
/// two pieces write to the same memory.
///
/// A waiting thread spins briefly before it sleeps: waking a sleeping thread takes longer than a
/// step of a small network.
package final class ShardThreads: @unchecked Sendable {
  package let count: Int
  /// Whether the calling thread does all work itself. Only that thread may set it.
  package var isAlone = false
  private let monitor = Monitor(conditionCount: 2)
  /// The monitor's condition that the threads wait for.
  private static let workReady = 0
  /// The monitor's condition that the caller waits for.
  private static let workDone = 1
  /// How often work was given to the threads, and how often a thread finished its part of it. They
  /// are in different cache lines. Written by threads that hold the monitor's mutex; read without
  /// it.
  private let given, finished: UnsafeMutablePointer<UInt64>
  // Written under the mutex, before `given` grows.
  private var work: ((Int) -> Void)?
  private var pieceCount = 0
  private var isEnding = false
  // Guarded by the monitor.
  private var sleepers = 0
  private var callerSleeps = false
  private var threads: [pthread_t] = []
  /// The core of each thread when it last worked, the caller's first.
  private var cores: [Int32]
  /// Whether this process may use at least one core for each thread.
  private let canSpread: Bool

  /// Seconds that a waiting thread spins: about the time it takes to wake a thread. So a wait takes
  /// at most about twice as long as necessary.
  private static let spinSeconds = 50e-6
  /// Seconds. One round of spinning and yielding takes much less, unless another thread got the
  /// core.
  private static let longestRound = 10e-6

  /// Floats. To add or update this many takes longer than to hand them to another thread.
  private static let minimumPart = 8192

  /// - Parameter count: threads, the caller's among them; at least 1.
  package init(count: Int) {
    require(count >= 1, "a rank has at least one thread")
    self.count = count
    given = .allocate(capacity: 16)
    given.initialize(repeating: 0, count: 16)
    finished = given + 8
    var usable = [Int32](repeating: -1, count: count)
    canSpread = nd_usable_cores(&usable, Int32(count)) == count
    cores = Array(repeating: -1, count: count)
    threads = (1..<count).map { index in startThread("thread \(index)") { self.serve(index) } }
  }

  deinit {
    given.deallocate()
  }

  /// Runs `body` for 0 ..< pieces, piece i on thread i mod count, and returns when all are done.
  package func run(pieces: Int, _ body: (Int) -> Void) {
    if count == 1 || pieces <= 1 || isAlone {
      for piece in 0..<pieces { body(piece) }
      return
    }
    withoutActuallyEscaping(body) { body in
      monitor.lock()
      require(!isEnding, "work for threads that were ended")
      work = body
      pieceCount = pieces
      cores[0] = nd_current_core()
      let all = finished.pointee + UInt64(count - 1)
      announce()
      monitor.unlock()
      for piece in stride(from: 0, to: pieces, by: count) { body(piece) }
      if !spin(on: finished, until: all) {
        monitor.lock()
        callerSleeps = true
        while finished.pointee < all { monitor.wait(for: ShardThreads.workDone) }
        callerSleeps = false
        monitor.unlock()
      }
      work = nil
    }
  }

  /// Runs `body` for parts of `range` of nearly the same size, one on each thread; only on the
  /// calling thread if the parts would be too short.
  package func run(over range: Range<Int>, _ body: (Range<Int>) -> Void) {
    let parts = parts(of: range)
    run(pieces: parts.count) { body(parts[$0]) }
  }

  /// Whether `predicate` is true for all parts of `range`, which are the same as in `run(over:)`.
  package func allSatisfy(over range: Range<Int>, _ predicate: (Range<Int>) -> Bool) -> Bool {
    let parts = parts(of: range)
    var results = [Bool](repeating: false, count: parts.count)
    results.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      run(pieces: parts.count) { results[$0] = predicate(parts[$0]) }
    }
    return results.allSatisfy { $0 }
  }

  private func parts(of range: Range<Int>) -> [Range<Int>] {
    let parts = min(count, range.count / ShardThreads.minimumPart)
    return parts > 1 ? ArenaSections.slices(of: range, count: parts) : [range]
  }

  /// Ends the threads. `run` must not be called after it.
  package func end() {
    monitor.lock()
    isEnding = true
    announce()
    monitor.unlock()
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  /// Tells the threads that there is new work, or that they must end. The caller holds the mutex.
  private func announce() {
    nd_store_release(given, given.pointee + 1)
    if sleepers > 0 { monitor.broadcast(ShardThreads.workReady) }
  }

  private func serve(_ index: Int) {
    var next: UInt64 = 1
    var lastMove = 0.0
    while true {
      if !spin(on: given, until: next) {
        monitor.lock()
        sleepers += 1
        while given.pointee < next { monitor.wait(for: ShardThreads.workReady) }
        sleepers -= 1
        monitor.unlock()
      }
      if isEnding { break }
      next += 1
      doPart(index)
      monitor.lock()
      cores[index] = nd_current_core()
      let taken = canSpread && cores[..<index].contains(cores[index]) ? cores : []
      nd_store_release(finished, finished.pointee + 1)
      if callerSleeps { monitor.signal(ShardThreads.workDone) }
      monitor.unlock()
      if !taken.isEmpty { move(from: taken, &lastMove) }
    }
  }

  /// Moves this thread to a core that no other thread of the rank uses. Threads that alternate on
  /// one core look busy to the scheduler, which may then leave another core idle. It may have
  /// reasons for its choice, so the thread moves at most once in a millisecond.
  private func move(from taken: [Int32], _ last: inout Double) {
    let now = monotonicSeconds()
    if now - last < 1e-3 { return }
    last = now
    nd_leave_cores(taken, Int32(taken.count))
  }

  /// A separate function that is never inlined, so that `serve` keeps no reference to `work`.
  @inline(never) private func doPart(_ index: Int) {
    for piece in stride(from: index, to: pieceCount, by: count) { work!(piece) }
  }

  /// Spins until the word is `value` or more, for at most `spinSeconds`, and returns whether it is.
  /// It yields to other threads that need the core, and gives up as soon as one of them took it: a
  /// waiter that shares a core with a working thread would keep it busy, while a sleeping thread
  /// wakes up on an idle core.
  private func spin(on word: UnsafePointer<UInt64>, until value: UInt64) -> Bool {
    let start = monotonicSeconds()
    var now = start
    var hasCore = true
    while hasCore && now - start < ShardThreads.spinSeconds {
      if nd_spin_until(word, value, 32) == 1 { return true }
      sched_yield()
      let before = now
      now = monotonicSeconds()
      hasCore = now - before < ShardThreads.longestRound
    }
    return nd_spin_until(word, value, 1) == 1
  }
}
