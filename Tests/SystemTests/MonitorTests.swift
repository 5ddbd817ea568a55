import Glibc
import System
import Testing

@Suite struct MonitorTests {
  /// One thread waits for each condition; a signal of one condition ends only its thread.
  @Test func signalWakesOnlyThreadsOfItsCondition() {
    let monitor = Monitor(conditionCount: 2)
    // Guarded by the monitor.
    nonisolated(unsafe) var isOpen = [false, false]
    nonisolated(unsafe) var passed: [Int] = []
    let threads = (0..<2).map { condition in
      startThread("a test thread") {
        monitor.withLock {
          while !isOpen[condition] { monitor.wait(for: condition) }
          passed.append(condition)
        }
      }
    }
    for condition in [1, 0] {
      monitor.withLock {
        isOpen[condition] = true
        monitor.broadcast(condition)
      }
      pthread_join(threads[condition], nil)
    }
    #expect(passed == [1, 0])
  }

  @Test func timedWaitEndsAtItsTime() {
    let monitor = Monitor()
    let end = monotonicSeconds() + 0.02
    monitor.withLock {
      while monitor.wait(untilSeconds: end) {}
    }
    #expect(monotonicSeconds() >= end - 1e-6)
  }

  /// The wait fails the test by its duration: without the signal it would take a minute.
  @Test func wakeupRemembersASignal() {
    let wakeup = Wakeup()
    wakeup.signal()
    let start = monotonicSeconds()
    wakeup.sleep(atMostMicroseconds: 60_000_000)
    #expect(monotonicSeconds() - start < 30)
    wakeup.sleep(atMostMicroseconds: 1000)
    #expect(monotonicSeconds() - start >= 1e-3)
  }

  @Test func sizesAreRoundedUpToWholeLines() {
    #expect(CacheLine.byteCount == CacheLine.floatCount * MemoryLayout<Float>.stride)
    #expect([0, 1, 16, 17].map { CacheLine.roundedUp(floatCount: $0) } == [0, 16, 16, 32])
    #expect([0, 1, 64, 65].map { CacheLine.roundedUp(byteCount: $0) } == [0, 64, 64, 128])
  }
}
