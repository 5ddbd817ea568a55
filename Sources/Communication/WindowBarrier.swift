import CKernels
import CMPI
import Glibc

/// A barrier of the ranks of one host by sequence numbers in shared memory: each rank counts its
/// arrivals in a word of its own, and waits until all the others' words have come as far.
final class WindowBarrier {
  private let words: [UnsafeMutablePointer<UInt64>]
  private let communicator: Communicator
  private var arrivals: UInt64 = 0
  /// Looks with a pause between, before the core is offered to others.
  private let looks: Int32

  /// About 50 us: longer than ranks of a balanced step are apart, shorter than a time slice.
  private static let looksWithOwnCore: Int32 = 1500
  /// Where another rank may be waiting for this core, a look is all there is to gain.
  private static let looksWithSharedCore: Int32 = 10
  /// After this long the core is left alone for a while between looks.
  private static let yieldingMicroseconds = 500

  /// - Parameter words: by local rank; zero, and nobody else's.
  init(
    words: [UnsafeMutablePointer<UInt64>], communicator: Communicator, ranksHaveOwnCores: Bool
  ) {
    self.words = words
    self.communicator = communicator
    looks =
      ranksHaveOwnCores
      ? WindowBarrier.looksWithOwnCore : WindowBarrier.looksWithSharedCore
  }

  func wait() throws {
    arrivals += 1
    nd_store_release(words[communicator.localRank], arrivals)
    for word in words where nd_spin_until(word, arrivals, looks) == 0 {
      try waitLonger(for: word)
    }
  }

  /// Gives the core to whoever wants it, then sleeps between looks: an eighth of the time waited so
  /// far, so that a wait is never much longer than it must be.
  ///
  /// There is no time limit: a rank that is gone is noticed by mpirun, which ends all.
  private func waitLonger(for word: UnsafePointer<UInt64>) throws {
    let start = microseconds()
    var turns = 0
    while nd_spin_until(word, arrivals, 1) == 0 {
      turns += 1
      if turns % 16 == 0 { try communicator.makeProgress() }
      let waited = turns % 16 == 0 ? microseconds() - start : 0
      if waited > WindowBarrier.yieldingMicroseconds {
        usleep(UInt32(min(waited / 8, 1000)))
        turns = 15
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
}

extension Communicator {
  /// Whether the cores that the ranks of this host may use are at least as many as the ranks.
  ///
  /// Collective: every rank of the host.
  func ranksHaveOwnCores() throws -> Bool {
    let most = 1024
    var cores = [Int32](repeating: 0, count: most)
    let count = Int(nd_usable_cores(&cores, Int32(most)))
    var mine = [UInt8](repeating: 0, count: most)
    for core in cores[..<count] { mine[Int(core)] = 1 }
    var all = [UInt8](repeating: 0, count: most * localSize)
    try check(
      MPI_Allgather(
        &mine, Int32(most), cmpi_byte(), &all, Int32(most), cmpi_byte(), hostHandle),
      "MPI_Allgather")
    let used = (0..<most).filter { core in
      stride(from: core, to: all.count, by: most).contains { all[$0] == 1 }
    }
    return used.count >= localSize
  }
}
