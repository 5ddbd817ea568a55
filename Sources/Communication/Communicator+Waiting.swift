import CMPI
import CSystem
import Glibc

/// Waits for other ranks without occupying a core that they may need.
extension Communicator {
  /// About 50 us: longer than the ranks of a balanced step are apart, shorter than a time slice.
  private static let spinsWithOwnCore: Int32 = 1500
  /// If another rank may need this core, spinning longer gains nothing.
  private static let spinsWithSharedCore: Int32 = 10
  /// After this time, a waiting thread sleeps between checks instead of yielding.
  private static let yieldingMicroseconds = 500

  /// Returns once another rank has stored `value` or more to `word`, which is in shared memory.
  /// Ranks with a core each spin at first.
  func wait(
    for word: UnsafePointer<UInt64>, toReach value: UInt64, runsInBackground: Bool = false
  ) throws {
    let spins =
      ranksHaveOwnCores && !runsInBackground
      ? Communicator.spinsWithOwnCore : Communicator.spinsWithSharedCore
    if nd_spin_until(word, value, spins) != 0 { return }
    try waitLonger(runsInBackground: runsInBackground) { nd_spin_until(word, value, 1) != 0 }
  }

  /// Returns once `isDone` returns true. Between checks it yields the core to other threads. After
  /// `yieldingMicroseconds` it sleeps instead, for an eighth of the time waited so far and at most
  /// 1 ms, so that a wait is at most about an eighth longer than necessary.
  ///
  /// A background thread of a rank that computes (`runsInBackground`) sleeps from the first check
  /// on.
  ///
  /// There is no time limit: mpirun notices a rank that has ended, and ends the others; the
  /// watchdog notices a rank that makes no progress.
  func waitLonger(runsInBackground: Bool = false, until isDone: () throws -> Bool) throws {
    // A background thread's wait does not mean that the rank waits.
    if !runsInBackground { Heartbeat.show(ND_HEARTBEAT_WAITING, 1) }
    defer { if !runsInBackground { Heartbeat.show(ND_HEARTBEAT_WAITING, 0) } }
    let start = microseconds()
    var checks = 0
    while try !isDone() {
      checks += 1
      if checks % 16 == 0 { try makeProgress() }
      let waited = checks % 16 == 0 ? microseconds() - start : 0
      if waited > Communicator.yieldingMicroseconds {
        usleep(UInt32(min(waited / 8, 1000)))
        checks = 15
      } else if runsInBackground {
        usleep(100)
      } else {
        sched_yield()
      }
    }
  }

  private func microseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
  }

  /// Lets MPI continue its pending messages. A rank that waits without calling MPI must call this
  /// regularly, because others may be waiting for a message that its MPI library has not sent yet.
  private func makeProgress() throws {
    var flag: Int32 = 0
    try check(
      MPI_Iprobe(Int32(MPI_ANY_SOURCE), Int32(MPI_ANY_TAG), handle, &flag, cmpi_status_ignore()),
      "MPI_Iprobe")
  }

  /// Whether the ranks of a host may together use at least as many cores as there are ranks.
  ///
  /// Collective: every rank of the host.
  static func ranksHaveOwnCores(of host: MPI_Comm, size: Int) throws -> Bool {
    let maximum = 1024
    var cores = [Int32](repeating: 0, count: maximum)
    let count = Int(nd_usable_cores(&cores, Int32(maximum)))
    var mine = [UInt8](repeating: 0, count: maximum)
    for core in cores[..<count] { mine[Int(core)] = 1 }
    var all = [UInt8](repeating: 0, count: maximum * size)
    try check(
      MPI_Allgather(&mine, Int32(maximum), cmpi_byte(), &all, Int32(maximum), cmpi_byte(), host),
      "MPI_Allgather")
    let used = (0..<maximum).filter { core in
      stride(from: core, to: all.count, by: maximum).contains { all[$0] == 1 }
    }
    return used.count >= size
  }
}
