import CKernels
import Glibc
import TensorCore

/// Ends a process that waits in MPI_Init for a rank that never comes: one that ended well before, which
/// mpirun takes for no failure.
final class StartDeadline: @unchecked Sendable {
  private let seconds: Double
  private let alarm = Alarm()
  private var thread: pthread_t?
  private let isOver = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  init(seconds: Double) {
    self.seconds = seconds
    isOver.initialize(to: 0)
    // Without it all goes on as well, but for what it is there for.
    let owner = Unmanaged.passUnretained(self)
    thread = startThread("a thread") { owner.takeUnretainedValue().serve() }
  }

  deinit { isOver.deallocate() }

  /// MPI is there.
  func end() {
    nd_store_release(isOver, 1)
    alarm.ring()
    pthread_join(thread!, nil)
  }

  private func serve() {
    // One line is enough: rank 0's, or that of the first that came.
    let names = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"]
    let rank =
      names.compactMap { (name: String) in getenv(name).flatMap { Int(String(cString: $0)) } }.first
      ?? 0
    let turns = Int((seconds + 2 * Double(min(rank, 10))) * 10)
    for _ in 0..<turns {
      alarm.sleep(atMostMicroseconds: 100_000)
      if nd_spin_until(isOver, 1, 1) != 0 { return }
    }
    var bytes = [CChar](repeating: 0, count: 256)
    gethostname(&bytes, bytes.count - 1)
    let name = String(
      decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let failure = Failure(
      .stopped,
      "rank \(rank) (pid \(getpid()), host \(name)) waited \(Int(seconds)) s in "
        + "MPI_Init (--stall-timeout): another rank ended before it, or hangs",
      remedy: "start the same program on every rank")
    let line = Array("nndist: error: \(failure)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    _exit(failure.status.rawValue)
  }
}
