import CSystem
import Glibc
import Synchronization

/// Memory for tensors, kept for reuse by size class, so that after the first steps a training step
/// asks the system for none.
///
/// A size class is a power of two cut in four (4, 5, 6, 7, 8, 10, ... times 64 bytes): at most a
/// fifth of a buffer is wasted, but for those of 256 bytes, the smallest. Buffers are 64-byte
/// aligned: a cache line and an AVX-512 register.
public final class BufferPool: Sendable {
  public static let shared = BufferPool()

  /// Counts since the process began.
  public struct Statistics: Sendable {
    /// Buffers taken from the system; constant once training is under way.
    public var systemAllocations = 0
    public var reuses = 0
    /// Bytes handed out now.
    public var bytesInUse = 0
    /// Bytes kept for reuse now.
    public var bytesKept = 0
  }

  /// The kept buffers are guarded by the mutex; the addresses are this pool's alone.
  private struct State: @unchecked Sendable {
    var free: [[UnsafeMutableRawPointer]] = []
    var statistics = Statistics()
  }

  private let state = Mutex(State())

  package init() {}

  public var statistics: Statistics { state.withLock { $0.statistics } }

  /// A buffer of at least `byteCount` bytes, its contents undefined, and the class to return it by.
  package func take(_ byteCount: Int) -> (UnsafeMutableRawPointer, sizeClass: Int) {
    let sizeClass = BufferPool.sizeClass(of: byteCount)
    let capacity = BufferPool.capacity(ofClass: sizeClass)
    let kept: UnsafeMutableRawPointer? = state.withLock { state in
      state.statistics.bytesInUse += capacity
      if sizeClass < state.free.count, let buffer = state.free[sizeClass].popLast() {
        state.statistics.reuses += 1
        state.statistics.bytesKept -= capacity
        return buffer
      }
      state.statistics.systemAllocations += 1
      return nil
    }
    if let kept { return (kept, sizeClass) }
    return (BufferPool.allocate(capacity), sizeClass)
  }

  /// Large buffers in huge pages, where the system has them to give: the step of a network of 5 MB takes a
  /// twentieth to a tenth less time with a hundredth of the address translations. Not what is left behind
  /// the last whole one: it would take a megabyte more on the average, in each arena of a network.
  ///
  /// From a few pages on memory of its own, as a heap keeps what is given back to it.
  private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
    guard capacity >= leastMapped else { return nd_allocate(64, capacity) }
    let room = capacity + (capacity >= hugePage ? hugePage : 0)
    let access = PROT_READ | PROT_WRITE
    guard let region = mmap(nil, room, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      region != MAP_FAILED
    else { nd_out_of_memory("\(room) bytes were refused") }
    guard capacity >= hugePage else { return region }
    let buffer = region.alignedUp(toMultipleOf: hugePage)
    if buffer > region { munmap(region, buffer - region) }
    if buffer - region < hugePage { munmap(buffer + capacity, hugePage - (buffer - region)) }
    // Where the system refuses, the pages are small.
    madvise(buffer, capacity / hugePage * hugePage, MADV_HUGEPAGE)
    return buffer
  }

  private static func release(_ buffer: UnsafeMutableRawPointer, capacity: Int) {
    if capacity >= leastMapped { munmap(buffer, capacity) } else { free(buffer) }
  }

  /// From here on all capacities are whole pages.
  private static let leastMapped = 1 << 17
  private static let hugePage = 1 << 21

  package func giveBack(_ buffer: UnsafeMutableRawPointer, sizeClass: Int) {
    let capacity = BufferPool.capacity(ofClass: sizeClass)
    state.withLock { state in
      while state.free.count <= sizeClass { state.free.append([]) }
      state.free[sizeClass].append(buffer)
      state.statistics.bytesInUse -= capacity
      state.statistics.bytesKept += capacity
    }
  }

  /// Gives every kept buffer back to the system.
  public func trim() {
    let buffers = state.withLock { state in
      let all = UnsafeBuffers(byClass: state.free)
      state.free = []
      state.statistics.bytesKept = 0
      return all
    }
    for (sizeClass, some) in buffers.byClass.enumerated() {
      let capacity = BufferPool.capacity(ofClass: sizeClass)
      for buffer in some { BufferPool.release(buffer, capacity: capacity) }
    }
  }

  private struct UnsafeBuffers: @unchecked Sendable {
    let byClass: [[UnsafeMutableRawPointer]]
  }

  /// Classes count in quarter powers of two, from 4 lines of 64 bytes up.
  package static func sizeClass(of byteCount: Int) -> Int {
    let lines = max((byteCount + 63) / 64, 4)
    let exponent = Int.bitWidth - 1 - (lines - 1).leadingZeroBitCount  // 2^e <= lines - 1
    let quarter = (lines - 1) >> (exponent - 2) & 3
    return lines == 4 ? 0 : (exponent - 2) * 4 + quarter + 1
  }

  package static func capacity(ofClass sizeClass: Int) -> Int {
    if sizeClass == 0 { return 4 * 64 }
    let exponent = (sizeClass - 1) / 4 + 2
    let quarter = (sizeClass - 1) % 4
    return ((4 + quarter + 1) << (exponent - 2)) * 64
  }
}
