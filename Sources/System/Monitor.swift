import Glibc

/// A mutex with one or more condition variables. Threads use it to guard shared state and to wait
/// until another thread changes that state.
///
/// A wait may return although no thread signalled (pthread_cond_wait(3)), so the caller checks its
/// state in a loop:
///
///     monitor.lock()
///     while work == nil { monitor.wait() }
///     monitor.unlock()
package final class Monitor: @unchecked Sendable {
  @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline let conditions: UnsafeMutablePointer<pthread_cond_t>
  private let conditionCount: Int

  /// - Parameter conditionCount: condition variables, which `wait`, `signal` and `broadcast` number
  ///   from 0. With more than one, different threads can wait for different changes, and a signal
  ///   wakes only those it concerns.
  package init(conditionCount: Int = 1) {
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    self.conditionCount = conditionCount
    conditions = .allocate(capacity: conditionCount)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // Changes of the system time must not affect timed waits.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    for condition in 0..<conditionCount { pthread_cond_init(conditions + condition, &attributes) }
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    for condition in 0..<conditionCount { pthread_cond_destroy(conditions + condition) }
    conditions.deallocate()
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  @inlinable @inline(__always) package func lock() { pthread_mutex_lock(mutex) }

  @inlinable @inline(__always) package func unlock() { pthread_mutex_unlock(mutex) }

  /// Runs `body` while this thread holds the mutex.
  @inlinable @inline(__always)
  package func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
    lock()
    defer { unlock() }
    return try body()
  }

  /// Releases the mutex, waits until a thread signals the condition, and locks the mutex again.
  /// - Precondition: the calling thread holds the mutex.
  @inlinable @inline(__always) package func wait(for condition: Int = 0) {
    pthread_cond_wait(conditions + condition, mutex)
  }

  /// As `wait`, but at most until `end`, in seconds of `monotonicSeconds()`.
  /// - Returns: false once that time has passed.
  /// - Precondition: the calling thread holds the mutex.
  package func wait(for condition: Int = 0, untilSeconds end: Double) -> Bool {
    let seconds = end.rounded(.down)
    var time = timespec(tv_sec: Int(seconds), tv_nsec: Int((end - seconds) * 1e9))
    return pthread_cond_timedwait(conditions + condition, mutex, &time) == 0
  }

  /// Wakes one of the threads that wait for the condition.
  @inlinable @inline(__always) package func signal(_ condition: Int = 0) {
    pthread_cond_signal(conditions + condition)
  }

  /// Wakes all threads that wait for the condition.
  @inlinable @inline(__always) package func broadcast(_ condition: Int = 0) {
    pthread_cond_broadcast(conditions + condition)
  }
}
