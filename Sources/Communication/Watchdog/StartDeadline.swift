import CSystem
import Glibc
import System
import Tensors

/// Ends a process that waits at its start, in MPI_Init or in the first exchanges, for a rank that never
/// comes: one that ended well before, which mpirun takes for no failure, or one to which MPI could make
/// no connection.
final class StartDeadline: @unchecked Sendable {
  private let seconds: Double
  private let alarm = Alarm()
  private var thread: pthread_t?
  private let isOver = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  init(seconds: Double) {
    self.seconds = seconds
    isOver.initialize(to: 0)
    thread = startThread("the start's deadline") { self.serve() }
  }

  deinit { isOver.deallocate() }

  /// All are there.
  func end() {
    nd_store_release(isOver, 1)
    alarm.ring()
    pthread_join(thread!, nil)
  }

  private func serve() {
    // One line is enough: rank 0's, or that of the first that came.
    let rank = max(Int(nd_launcher_rank()), 0)
    let last = monotonicSeconds() + seconds + 2 * Double(min(rank, 10))
    while monotonicSeconds() < last {
      alarm.sleep(atMostMicroseconds: 100_000)
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
