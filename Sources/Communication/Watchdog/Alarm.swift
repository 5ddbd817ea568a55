import Glibc

/// What one thread sleeps by until another has something for it, or some time has passed.
package final class Alarm: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let rung = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// Guarded by the mutex: whether it rang since the last sleep.
  private var isRinging = false

  package init() {
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // A clock that nobody sets.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(rung, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(rung)
    mutex.deallocate()
    rung.deallocate()
  }

  package func ring() {
    pthread_mutex_lock(mutex)
    isRinging = true
    pthread_cond_signal(rung)
    pthread_mutex_unlock(mutex)
  }

  /// Returns at once where it rang since the last sleep.
  package func sleep(atMostMicroseconds most: Int) {
    var end = timespec()
    clock_gettime(CLOCK_MONOTONIC, &end)
    end.tv_nsec += most * 1000
    end.tv_sec += end.tv_nsec / 1_000_000_000
    end.tv_nsec %= 1_000_000_000
    pthread_mutex_lock(mutex)
    while !isRinging && pthread_cond_timedwait(rung, mutex, &end) == 0 {}
    isRinging = false
    pthread_mutex_unlock(mutex)
  }
}
