import CMPI
import Glibc
import System

/// Memory that all ranks of one host map. Each rank allocates a part, and may read and write all
/// parts.
///
/// A window lives as long as something refers to it, but at most until `Communicator.finalize()`.
/// Its memory is freed when the next window is created, or by `finalize()`.
/// Source: MPI 3.1, section 11.2.3 (MPI_Win_allocate_shared).
package final class SharedWindow {
  /// The part of each rank of this host, by local rank: zeros at first; 64-byte aligned.
  package let parts: [UnsafeMutableRawBufferPointer]
  private let barrierState: WindowBarrier
  private let record: Record

  /// The handle of a window. It outlives the window, because freeing is collective.
  final class Record {
    var handle: MPI_Win?
    var isReleased = false
    init(_ handle: MPI_Win) { self.handle = handle }
  }

  /// Each part follows a header with its rank's word for the barrier. The header has two cache
  /// lines, because lines are fetched in pairs: no other rank writes near the word.
  private static let headerByteCount = 2 * CacheLine.byteCount
  /// The bytes that one rank requests from MPI, with room to align them: MPI guarantees no
  /// alignment.
  private static func requestByteCount(_ byteCount: Int) -> Int {
    headerByteCount + CacheLine.roundedUp(byteCount: byteCount) + CacheLine.byteCount
  }

  /// Whether every host has room for a window in which this rank's part has `byteCount` bytes, and
  /// every process can map it.
  ///
  /// Call it before creating a window: without enough room, Open MPI 4.1 fails on one rank only,
  /// and the others wait forever.
  ///
  /// Collective: every rank. The result is the same on all ranks.
  package static func fits(
    _ byteCount: Int, _ communicator: Communicator, file: StaticString = #fileID,
    line: UInt = #line
  ) throws -> Bool {
    try communicator.enter(.windowRoom, at: file, line: line)
    try communicator.freeReleasedWindows()
    let wanted = try communicator.maximumUnguarded(Int64(requestByteCount(byteCount)))
    var status = statvfs()
    // Without this directory, MPI allocates its memory elsewhere and checks the room itself.
    let available =
      statvfs("/dev/shm", &status) == 0
      ? Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize)) : Int64.max
    // 1 MiB more for MPI's own data.
    let needed = wanted * Int64(communicator.localSize) + (1 << 20)
    let fits = needed <= available && canMap(Int(needed))
    return try communicator.minimumUnguarded(fits ? 1 : 0) == 1
  }

  /// Whether this process's limit (ulimit -v) leaves `byteCount` bytes. Open MPI 4.1 does not check
  /// whether its mapping succeeded, and crashes.
  private static func canMap(_ byteCount: Int) -> Bool {
    let place = mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let place, place != MAP_FAILED else { return false }
    munmap(place, byteCount)
    return true
  }

  /// Creates a window on each host.
  ///
  /// Collective: every rank.
  /// - Parameter byteCount: the size of this rank's part; parts may have different sizes.
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
    // One access epoch for the window's whole life: loads and stores are allowed within an epoch.
    try check(MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), window), "MPI_Win_lock_all")
    record = Record(window)
    communicator.windows.append(record)

    let words = try (0..<communicator.localSize).map { rank -> UnsafeMutablePointer<UInt64> in
      var size: MPI_Aint = 0
      var unit: Int32 = 0
      var start: UnsafeMutableRawPointer?
      try check(
        MPI_Win_shared_query(window, Int32(rank), &size, &unit, &start), "MPI_Win_shared_query")
      let header = start!.alignedUp(toMultipleOf: CacheLine.byteCount)
      return header.assumingMemoryBound(to: UInt64.self)
    }
    // After the word for the barrier comes the part's exact size: the requested size is rounded up.
    let own = words[communicator.localRank]
    let header = UnsafeMutableRawPointer(own)
    header.initializeMemory(
      as: UInt8.self, repeating: 0, count: SharedWindow.headerByteCount + byteCount)
    own[1] = UInt64(byteCount)
    // MPI's barrier, because the words of this window's own barrier become valid only now.
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

  /// Returns when every rank of the host has called it. Everything that a rank wrote to the window
  /// before it is visible to all after it.
  ///
  /// Ranks with a core each spin at first. Ranks that wait longer yield the core, and then sleep
  /// between checks for longer and longer, at most 1 ms.
  ///
  /// Collective: every rank of the host.
  package func barrier() throws { try barrierState.wait() }
}

extension Communicator {
  /// Frees the oldest windows that no rank refers to any more.
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
