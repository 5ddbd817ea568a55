import CSystem
import Glibc
import System
import Tensors

/// Ends a process that waits too long at its start, in MPI_Init or in the first collectives. The
/// rank that it waits for may have ended with status 0, which mpirun does not report as a failure,
/// or MPI could not connect to it.
final class StartDeadline: @unchecked Sendable {
  private let seconds: Double
  private let wakeup = Wakeup()
  private var thread: pthread_t?
  private let isOver = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  init(seconds: Double) {
    self.seconds = seconds
    isOver.initialize(to: 0)
    thread = startThread("the start's deadline") { self.serve() }
  }

  deinit { isOver.deallocate() }

  /// Stops the timer, once all ranks can be reached.
  func end() {
    nd_store_release(isOver, 1)
    wakeup.signal()
    pthread_join(thread!, nil)
  }

  private func serve() {
    // One line is enough. Lower ranks wait less, so the lowest rank that has started prints it.
    let rank = max(Int(nd_launcher_rank()), 0)
    let last = monotonicSeconds() + seconds + 2 * Double(min(rank, 10))
    while monotonicSeconds() < last {
      wakeup.sleep(atMostMicroseconds: 100_000)
      if nd_spin_until(isOver, 1, 1) != 0 { return }
    }
    var bytes = [CChar](repeating: 0, count: 256)
    gethostname(&bytes, bytes.count - 1)
    let name = String(
      decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let failure = Failure(
      .stopped,
      "rank \(rank) (pid \(getpid()), host \(name)) waited \(Int(seconds)) s at its "
        + "start for the others (--stall-timeout): one ended before it, or hangs",
      remedy: "start the same program on every rank")
    let line = Array("nndist: error: \(failure)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    _exit(failure.status.rawValue)
  }
}
