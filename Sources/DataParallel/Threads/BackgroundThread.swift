import CSystem
import Glibc
import System
import Tensors

/// A thread that does one piece of work at a time while its owner does something else.
package final class BackgroundThread: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let niceness: Int32
  private var thread: pthread_t?
  // All below is guarded by the mutex.
  private var work: (() throws -> Void)?
  private var failure: (any Error)?
  private var isEnding = false

  /// - Parameter niceness: how far it stands back behind threads that compute, up to 19; 0: not at all,
  ///   and it wakes promptly.
  package init(niceness: Int32 = 0) {
    self.niceness = niceness
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(changed, nil)
    // It lives as long as its owner, which ends it.
    let owner = Unmanaged.passUnretained(self)
    thread = startThread("a background thread") { owner.takeUnretainedValue().serve() }
  }

  /// Waits for the work under way.
  deinit {
    pthread_mutex_lock(mutex)
    isEnding = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
    pthread_join(thread!, nil)
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(changed)
    mutex.deallocate()
    changed.deallocate()
  }

  /// Begins `work`, which must be waited for before the next.
  package func begin(_ work: @escaping () throws -> Void) {
    pthread_mutex_lock(mutex)
    require(self.work == nil, "a background thread was given work before its last was done")
    self.work = work
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
  }

  /// Returns when the work is done; throws what it threw.
  package func wait() throws {
    pthread_mutex_lock(mutex)
    while work != nil { pthread_cond_wait(changed, mutex) }
    let failure = self.failure
    self.failure = nil
    pthread_mutex_unlock(mutex)
    if let failure { throw failure }
  }

  private func serve() {
    // Linux counts it by thread, and 0 is the calling one.
    if niceness == 0 {
      nd_wake_promptly()
    } else {
      setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
    }
    pthread_mutex_lock(mutex)
    while true {
      while work == nil && !isEnding { pthread_cond_wait(changed, mutex) }
      guard let work else { break }
      pthread_mutex_unlock(mutex)
      let result = Result { try work() }
      pthread_mutex_lock(mutex)
      if case .failure(let error) = result { failure = error }
      self.work = nil
      pthread_cond_broadcast(changed)
    }
    pthread_mutex_unlock(mutex)
  }
}
