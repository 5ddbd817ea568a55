import CMPI
import Glibc

/// Memory that all ranks of one host map: each brings a part and may read and write every other's.
///
/// It lives as long as something refers to it, but at most until `Communicator.finalize()`. The
/// memory itself is given back when the next window is made, or then.
/// Source: MPI 3.1, section 11.2.3 (MPI_Win_allocate_shared).
package final class SharedWindow {
  /// The memory each rank of this host brought, by local rank: zeros at first; 64-byte aligned.
  package let parts: [UnsafeMutableRawBufferPointer]
  private let barrierState: WindowBarrier
  private let record: Record

  /// What is left of a window when it is gone, as giving back is collective: its handle.
  final class Record {
    var handle: MPI_Win?
    var isReleased = false
    init(_ handle: MPI_Win) { self.handle = handle }
  }

  private static let alignment = 64
  /// Before each part lies its rank's word for the barrier, away from all that others write: 128
  /// bytes, as cache lines are fetched in pairs.
  private static let headerByteCount = 128
  /// What one rank asks MPI for; MPI promises no alignment.
  private static func requestByteCount(_ byteCount: Int) -> Int {
    headerByteCount + (byteCount + alignment - 1) / alignment * alignment + alignment
  }

  /// Whether every host has room for a window to which this rank brings `byteCount` bytes, and every
  /// process for mapping it.
  ///
  /// To be asked before: Open MPI 4.1 fails on one rank alone where there is none, and the others
  /// wait for ever.
  ///
  /// Collective: every rank. The answer is the same on all.
  package static func fits(
    _ byteCount: Int, _ communicator: Communicator, file: StaticString = #fileID,
    line: UInt = #line
  ) throws -> Bool {
    try communicator.enter(.windowRoom, at: file, line: line)
    try communicator.freeReleasedWindows()
    let wanted = try communicator.maximumUnguarded(Int64(requestByteCount(byteCount)))
    var status = statvfs()
    // Without the directory MPI puts its memory elsewhere and judges the room itself.
    let available =
      statvfs("/dev/shm", &status) == 0
      ? Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize)) : Int64.max
    // Some for what MPI puts beside it.
    let needed = wanted * Int64(communicator.localSize) + (1 << 20)
    let fits = needed <= available && canMap(Int(needed))
    return try communicator.minimumUnguarded(fits ? 1 : 0) == 1
  }

  /// Whether this process's limit (ulimit -v) leaves so many bytes. Open MPI 4.1 does not ask whether it
  /// was given what it maps, and dies of it.
  private static func canMap(_ byteCount: Int) -> Bool {
    let place = mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let place, place != MAP_FAILED else { return false }
    munmap(place, byteCount)
    return true
  }

  /// Collective: every rank. On every host a window of its own.
  /// - Parameter byteCount: what this rank brings; ranks may bring different numbers.
  /// - Throws: MPIError.
  package init(
    byteCount: Int, communicator: Communicator, file: StaticString = #fileID, line: UInt = #line
  ) throws {
    try communicator.enter(.sharedWindow, at: file, line: line)
    try communicator.freeReleasedWindows()
    var base: UnsafeMutableRawPointer?
    var handle: MPI_Win? = nil
    try check(
      MPI_Win_allocate_shared(
        MPI_Aint(SharedWindow.requestByteCount(byteCount)), 1, cmpi_info_null(),
        communicator.hostHandle, &base, &handle),
      "MPI_Win_allocate_shared")
    let window = handle!
    try check(MPI_Win_set_errhandler(window, cmpi_errors_return()), "MPI_Win_set_errhandler")
    // One epoch for the window's whole life: within it loads and stores may be used at will.
    try check(MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), window), "MPI_Win_lock_all")
    record = Record(window)
    communicator.windows.append(record)

    let words = try (0..<communicator.localSize).map { rank -> UnsafeMutablePointer<UInt64> in
      var size: MPI_Aint = 0
      var unit: Int32 = 0
      var start: UnsafeMutableRawPointer?
      try check(
        MPI_Win_shared_query(window, Int32(rank), &size, &unit, &start), "MPI_Win_shared_query")
      let header = start!.alignedUp(toMultipleOf: SharedWindow.alignment)
      return header.assumingMemoryBound(to: UInt64.self)
    }
    // Behind the word for the barrier the part's exact size: what MPI was asked for is rounded up.
    let own = words[communicator.localRank]
    let header = UnsafeMutableRawPointer(own)
    header.initializeMemory(
      as: UInt8.self, repeating: 0, count: SharedWindow.headerByteCount + byteCount)
    own[1] = UInt64(byteCount)
    // MPI's barrier, as the words of the own one are only now there.
    try check(MPI_Win_sync(window), "MPI_Win_sync")
    try check(MPI_Barrier(communicator.hostHandle), "MPI_Barrier")
    try check(MPI_Win_sync(window), "MPI_Win_sync")
    parts = words.map { word in
      UnsafeMutableRawBufferPointer(
        start: UnsafeMutableRawPointer(word) + SharedWindow.headerByteCount, count: Int(word[1]))
    }
    barrierState = WindowBarrier(words: words, communicator: communicator)
  }

  deinit { record.isReleased = true }

  /// Returns when every rank of the host has called it; what each wrote to the window before it is
  /// then seen by all.
  ///
  /// Ranks that come together and have a core each wait busily; those that wait longer give the core
  /// away, and look again after ever longer naps, 1 ms at most.
  ///
  /// Collective: every rank of the host.
  package func barrier() throws { try barrierState.wait() }
}

extension Communicator {
  /// Gives back the oldest windows that no rank refers to any longer.
  ///
  /// Collective: every rank.
  func freeReleasedWindows() throws {
    let mine = windows.prefix { $0.isReleased }.count
    try freeWindows(Int(try minimumUnguarded(Int64(mine))))
  }

  /// Collective: every rank, with the same count.
  func freeWindows(_ count: Int) throws {
    for record in windows.prefix(count) {
      try check(MPI_Win_unlock_all(record.handle), "MPI_Win_unlock_all")
      try check(MPI_Win_free(&record.handle), "MPI_Win_free")
    }
    windows.removeFirst(count)
  }
}
