import Foundation
import Synchronization
import Testing

/// For suites whose tests wait most of their time, for processes, timeouts and what dies: they run on
/// threads of their own, beside the tests that compute, of which there are as many at once as cores.
public struct WaitingTrait: SuiteTrait, TestTrait, TestScoping {
  public let isRecursive = true

  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await withTaskExecutorPreference(WaitingThreads.shared, operation: function)
  }
}

extension Trait where Self == WaitingTrait {
  public static var waiting: Self { Self() }
}

/// Threads that may block, unlike those that tasks have otherwise.
private final class WaitingThreads: TaskExecutor {
  /// Their jobs' ranks are more than most machines have cores.
  static let shared = WaitingThreads(count: 3)

  private let jobs = Mutex<[UnownedJob]>([])
  private let available = DispatchSemaphore(value: 0)

  private init(count: Int) {
    for _ in 0..<count {
      let thread = Thread { [self] in
        while true {
          available.wait()
          let job = jobs.withLock { $0.removeFirst() }
          job.runSynchronously(on: asUnownedTaskExecutor())
        }
      }
      // As the main thread has.
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
    available.signal()
  }
}
