import CSystem
import Glibc
import System
import Tensors

/// A thread that runs one closure at a time while its owner does something else.
package final class BackgroundThread: @unchecked Sendable {
  private let monitor = Monitor()
  private let niceness: Int32
  private var thread: pthread_t?
  // The monitor guards all properties below.
  private var work: (() throws -> Void)?
  private var failure: (any Error)?
  private var isEnding = false

  /// - Parameter niceness: the thread's nice value, up to 19, so that threads that compute get the
  ///   core first; 0: it wakes promptly even while other threads compute.
  package init(niceness: Int32 = 0) {
    self.niceness = niceness
    // Unretained: `deinit` ends the thread, so it cannot outlive this object.
    let owner = Unmanaged.passUnretained(self)
    thread = startThread("a background thread") { owner.takeUnretainedValue().serve() }
  }

  /// Waits for the current work.
  deinit {
    monitor.withLock {
      isEnding = true
      monitor.broadcast()
    }
    pthread_join(thread!, nil)
  }

  /// Starts `work`. Call `wait` before the next `begin`.
  package func begin(_ work: @escaping () throws -> Void) {
    monitor.withLock {
      require(self.work == nil, "a background thread was given work before its last was done")
      self.work = work
      monitor.broadcast()
    }
  }

  /// Returns when the work is done.
  /// - Throws: the work's error.
  package func wait() throws {
    let failure = monitor.withLock {
      while work != nil { monitor.wait() }
      defer { self.failure = nil }
      return self.failure
    }
    if let failure { throw failure }
  }

  private func serve() {
    // On Linux, each thread has its own nice value; 0 means the calling thread.
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
