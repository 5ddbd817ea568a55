/// Wakes one thread that sleeps until another thread signals, or until some time has passed.
///
/// A signal is remembered until the next sleep, so none is lost while the thread is awake.
package final class Wakeup: @unchecked Sendable {
  private let monitor = Monitor()
  /// Guarded by the monitor: whether a thread signalled since the last sleep.
  private var isSignalled = false

  package init() {}

  package func signal() {
    monitor.withLock {
      isSignalled = true
      monitor.signal()
    }
  }

  /// Returns at once if a thread signalled since the last sleep.
  package func sleep(atMostMicroseconds maximum: Int) {
    let end = monotonicSeconds() + Double(maximum) * 1e-6
    monitor.withLock {
      while !isSignalled && monitor.wait(untilSeconds: end) {}
      isSignalled = false
    }
  }
}
