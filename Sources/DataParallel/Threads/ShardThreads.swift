import CSystem
import Glibc
import System
import Tensors

/// A rank's threads, each working on shards (or blocks) of its own.
///
/// The bits cannot depend on how many there are: a piece of work is never split, and pieces share
/// nothing they write.
///
/// Who waits looks for some time before it sleeps, as a step of a small network takes less time than to
/// wake somebody.
package final class ShardThreads: @unchecked Sendable {
  package let count: Int
  /// Whether the caller does all work itself. For the caller's thread alone to set.
  package var isAlone = false
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let workReady = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let workDone = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// How often there was work, and how often a thread was done with its part of it: in lines of their
  /// own. Written by who holds the mutex, and looked at without.
  private let given, finished: UnsafeMutablePointer<UInt64>
  // Written by who holds the mutex, before `given` says so.
  private var work: ((Int) -> Void)?
  private var pieceCount = 0
  private var isEnding = false
  // Guarded by the mutex.
  private var sleepers = 0
  private var callerSleeps = false
  private var threads: [pthread_t] = []
  /// Where each thread was when it last worked, the caller first.
  private var cores: [Int32]
  /// Whether there is a core for each.
  private let canSpread: Bool

  /// As long as it takes to wake a thread, about: at worst a wait costs twice what it must.
  private static let patience = 50e-6
  /// To look and to yield takes a fraction of it where nobody else wants the core.
  private static let absence = 10e-6

  /// Floats. To add or update so many takes longer than to hand them over.
  private static let leastPart = 8192

  /// - Parameter count: threads, the caller's among them; at least 1.
  package init(count: Int) {
    require(count >= 1, "a rank has at least one thread")
    self.count = count
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(workReady, nil)
    pthread_cond_init(workDone, nil)
    given = .allocate(capacity: 16)
    given.initialize(repeating: 0, count: 16)
    finished = given + 8
    var usable = [Int32](repeating: -1, count: count)
    canSpread = nd_usable_cores(&usable, Int32(count)) == count
    cores = Array(repeating: -1, count: count)
    threads = (1..<count).map { index in startThread("thread \(index)") { self.serve(index) } }
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(workReady)
    pthread_cond_destroy(workDone)
    mutex.deallocate()
    workReady.deallocate()
    workDone.deallocate()
    given.deallocate()
  }

  /// Runs `body` for 0 ..< pieces, piece i on thread i mod count, and returns when all are done.
  package func run(pieces: Int, _ body: (Int) -> Void) {
    if count == 1 || pieces <= 1 || isAlone {
      for piece in 0..<pieces { body(piece) }
      return
    }
    withoutActuallyEscaping(body) { body in
      pthread_mutex_lock(mutex)
      require(!isEnding, "work for threads that were ended")
      work = body
      pieceCount = pieces
      cores[0] = nd_current_core()
      let all = finished.pointee + UInt64(count - 1)
      give()
      pthread_mutex_unlock(mutex)
      for piece in stride(from: 0, to: pieces, by: count) { body(piece) }
      if !looks(at: finished, until: all) {
        pthread_mutex_lock(mutex)
        callerSleeps = true
        while finished.pointee < all { pthread_cond_wait(workDone, mutex) }
        callerSleeps = false
        pthread_mutex_unlock(mutex)
      }
      work = nil
    }
  }

  /// Runs `body` for parts of `range` of nearly the same size, a part on a thread; on the caller's alone
  /// where they would be too short.
  package func run(over range: Range<Int>, _ body: (Range<Int>) -> Void) {
    let parts = parts(of: range)
    run(pieces: parts.count) { body(parts[$0]) }
  }

  /// Whether `predicate` holds for all such parts.
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
    let parts = min(count, range.count / ShardThreads.leastPart)
    return parts > 1 ? ArenaSections.slices(of: range, count: parts) : [range]
  }

  /// Ends the threads. Not to be used afterwards.
  package func end() {
    pthread_mutex_lock(mutex)
    isEnding = true
    give()
    pthread_mutex_unlock(mutex)
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  /// Tells the threads what is there now. The caller holds the mutex.
  private func give() {
    nd_store_release(given, given.pointee + 1)
    if sleepers > 0 { pthread_cond_broadcast(workReady) }
  }

  private func serve(_ index: Int) {
    var next: UInt64 = 1
    var lastMove = 0.0
    while true {
      if !looks(at: given, until: next) {
        pthread_mutex_lock(mutex)
        sleepers += 1
        while given.pointee < next { pthread_cond_wait(workReady, mutex) }
        sleepers -= 1
        pthread_mutex_unlock(mutex)
      }
      if isEnding { break }
      next += 1
      doPart(index)
      pthread_mutex_lock(mutex)
      cores[index] = nd_current_core()
      let taken = canSpread && cores[..<index].contains(cores[index]) ? cores : []
      nd_store_release(finished, finished.pointee + 1)
      if callerSleeps { pthread_cond_signal(workDone) }
      pthread_mutex_unlock(mutex)
      if !taken.isEmpty { move(from: taken, &lastMove) }
    }
  }

  /// Threads that take turns on one core seem busy to a system that then leaves them there, and another
  /// core idle. It may have its reasons, and is asked but once in a while.
  private func move(from taken: [Int32], _ last: inout Double) {
    let now = monotonicSeconds()
    if now - last < 1e-3 { return }
    last = now
    nd_leave_cores(taken, Int32(taken.count))
  }

  /// A function of its own, so that nothing holds on to `work` when it is done.
  @inline(never) private func doPart(_ index: Int) {
    for piece in stride(from: index, to: pieceCount, by: count) { work!(piece) }
  }

  /// Whether the word is `value` or more before patience is gone. Others may need the core meanwhile; if
  /// they do, it is gone: who waits on the core of who works would stay there, while a sleeper that is
  /// woken gets one that is idle.
  private func looks(at word: UnsafePointer<UInt64>, until value: UInt64) -> Bool {
    let start = monotonicSeconds()
    var now = start
    var hasCore = true
    while hasCore && now - start < ShardThreads.patience {
      if nd_spin_until(word, value, 32) == 1 { return true }
      sched_yield()
      let before = now
      now = monotonicSeconds()
      hasCore = now - before < ShardThreads.absence
    }
    return nd_spin_until(word, value, 1) == 1
  }
}
