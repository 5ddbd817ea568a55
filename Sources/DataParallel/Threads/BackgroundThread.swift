import CSystem
import Glibc
import System
import Tensors

/// A thread that does one piece of work at a time while its owner does something else.
package final class BackgroundThread: @unchecked Sendable {
  private let monitor = Monitor()
  private let niceness: Int32
  private var thread: pthread_t?
  // All below is guarded by the monitor.
  private var work: (() throws -> Void)?
  private var failure: (any Error)?
  private var isEnding = false

  /// - Parameter niceness: how far it stands back behind threads that compute, up to 19; 0: not at all,
  ///   and it wakes promptly.
  package init(niceness: Int32 = 0) {
    self.niceness = niceness
    // It lives as long as its owner, which ends it.
    let owner = Unmanaged.passUnretained(self)
    thread = startThread("a background thread") { owner.takeUnretainedValue().serve() }
  }

  /// Waits for the work under way.
  deinit {
    monitor.withLock {
      isEnding = true
      monitor.broadcast()
    }
    pthread_join(thread!, nil)
  }

  /// Begins `work`, which must be waited for before the next.
  package func begin(_ work: @escaping () throws -> Void) {
    monitor.withLock {
      require(self.work == nil, "a background thread was given work before its last was done")
      self.work = work
      monitor.broadcast()
    }
  }

  /// Returns when the work is done; throws what it threw.
  package func wait() throws {
    let failure = monitor.withLock {
      while work != nil { monitor.wait() }
      defer { self.failure = nil }
      return self.failure
    }
    if let failure { throw failure }
  }

  private func serve() {
    // Linux counts it by thread, and 0 is the calling one.
    if niceness == 0 {
      nd_wake_promptly()
    } else {
      setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
    }
    while let work = nextWork() {
      let result = Result { try work() }
      monitor.withLock {
        if case .failure(let error) = result { failure = error }
        self.work = nil
        monitor.broadcast()
      }
    }
  }

  /// Waits for work; nil once the thread must end.
  private func nextWork() -> (() throws -> Void)? {
    monitor.withLock {
      while work == nil && !isEnding { monitor.wait() }
      return work
    }
  }
}
