import CMPI
import CSystem
import Glibc

/// Waiting for other ranks without holding a core they may need.
extension Communicator {
  /// About 50 us: longer than ranks of a balanced step are apart, shorter than a time slice.
  private static let looksWithOwnCore: Int32 = 1500
  /// Where another rank may be waiting for this core, a look is all there is to gain.
  private static let looksWithSharedCore: Int32 = 10
  /// After this long the core is left alone for a while between looks.
  private static let yieldingMicroseconds = 500

  /// Returns once another rank has stored `value` or more to `word`, in shared memory. Ranks that come
  /// together and have a core each wait busily.
  func wait(
    for word: UnsafePointer<UInt64>, toReach value: UInt64, isBehind: Bool = false
  ) throws {
    let looks =
      ranksHaveOwnCores && !isBehind
      ? Communicator.looksWithOwnCore : Communicator.looksWithSharedCore
    if nd_spin_until(word, value, looks) != 0 { return }
    try waitLonger(isBehind: isBehind) { nd_spin_until(word, value, 1) != 0 }
  }

  /// Returns once `isDone`. It gives the core to whoever wants it, then sleeps between looks: an eighth
  /// of the time waited so far, so that a wait is never much longer than it must be, and 1 ms at most.
  ///
  /// A thread behind one that computes (`isBehind`) sleeps from the first.
  ///
  /// There is no time limit: a rank that is gone is noticed by mpirun, which ends all, and one that
  /// does not go on by the watchdog.
  func waitLonger(isBehind: Bool = false, until isDone: () throws -> Bool) throws {
    // A thread behind another says nothing of what the rank does.
    if !isBehind { Heartbeat.show(ND_HEARTBEAT_WAITING, 1) }
    defer { if !isBehind { Heartbeat.show(ND_HEARTBEAT_WAITING, 0) } }
    let start = microseconds()
    var turns = 0
    while try !isDone() {
      turns += 1
      if turns % 16 == 0 { try makeProgress() }
      let waited = turns % 16 == 0 ? microseconds() - start : 0
      if waited > Communicator.yieldingMicroseconds {
        usleep(UInt32(min(waited / 8, 1000)))
        turns = 15
      } else if isBehind {
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

  /// Lets MPI move what is under way. A rank that waits without MPI must call it now and then: others
  /// may be waiting for a message of its that MPI still holds.
  private func makeProgress() throws {
    var flag: Int32 = 0
    try check(
      MPI_Iprobe(Int32(MPI_ANY_SOURCE), Int32(MPI_ANY_TAG), handle, &flag, cmpi_status_ignore()),
      "MPI_Iprobe")
  }

  /// Whether the cores that the ranks of a host may use are at least as many as the ranks.
  ///
  /// Collective: every rank of the host.
  static func ranksHaveOwnCores(of host: MPI_Comm, size: Int) throws -> Bool {
    let most = 1024
    var cores = [Int32](repeating: 0, count: most)
    let count = Int(nd_usable_cores(&cores, Int32(most)))
    var mine = [UInt8](repeating: 0, count: most)
    for core in cores[..<count] { mine[Int(core)] = 1 }
    var all = [UInt8](repeating: 0, count: most * size)
    try check(
      MPI_Allgather(&mine, Int32(most), cmpi_byte(), &all, Int32(most), cmpi_byte(), host),
      "MPI_Allgather")
    let used = (0..<most).filter { core in
      stride(from: core, to: all.count, by: most).contains { all[$0] == 1 }
    }
    return used.count >= size
  }
}
