import CSystem
import Glibc
import Synchronization
import System

/// A pool of memory for tensors. It keeps freed buffers by size class and reuses them, so that
/// after the first steps a training step allocates no memory from the system.
///
/// There are four size classes for each power of two (4, 5, 6, 7, 8, 10, ... times 64 bytes): at
/// most a fifth of a buffer is unused, except in the smallest class, 256 bytes. Buffers are aligned
/// to 64 bytes: the size of a cache line and of an AVX-512 register.
public final class BufferPool: Sendable {
  public static let shared = BufferPool()

  /// Counts since the process started.
  public struct Statistics: Sendable {
    /// Buffers allocated from the system. Constant after the first training steps.
    public var systemAllocations = 0
    public var reuses = 0
    /// Bytes in use by tensors now.
    public var bytesInUse = 0
    /// Bytes of free buffers kept for reuse now.
    public var bytesKept = 0
  }

  /// Sendable: the mutex guards the free buffers, and only this pool has their addresses.
  private struct State: @unchecked Sendable {
    var free: [[UnsafeMutableRawPointer]] = []
    var statistics = Statistics()
  }

  private let state = Mutex(State())

  package init() {}

  public var statistics: Statistics { state.withLock { $0.statistics } }

  /// Returns a buffer of at least `byteCount` bytes with undefined contents, and its size class,
  /// which `giveBack` needs.
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

  /// Allocates a buffer. Large buffers use huge pages if the system provides them: with a hundredth
  /// of the address translations, the step of a network of 5 MB takes 5 to 10 % less time. The rest
  /// after the last whole huge page uses small pages: another huge page would waste a megabyte on
  /// average, in each arena of a network.
  ///
  /// From `minimumMappedBytes` on, a buffer is a mapping of its own, because a heap keeps freed
  /// memory.
  private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
    guard capacity >= minimumMappedBytes else { return nd_allocate(CacheLine.byteCount, capacity) }
    let room = capacity + (capacity >= hugePageBytes ? hugePageBytes : 0)
    let access = PROT_READ | PROT_WRITE
    guard let region = mmap(nil, room, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      region != MAP_FAILED
    else { nd_out_of_memory("\(room) bytes were refused") }
    guard capacity >= hugePageBytes else { return region }
    let buffer = region.alignedUp(toMultipleOf: hugePageBytes)
    if buffer > region { munmap(region, buffer - region) }
    if buffer - region < hugePageBytes {
      munmap(buffer + capacity, hugePageBytes - (buffer - region))
    }
    // If the system refuses, the pages stay small.
    madvise(buffer, capacity / hugePageBytes * hugePageBytes, MADV_HUGEPAGE)
    return buffer
  }

  private static func release(_ buffer: UnsafeMutableRawPointer, capacity: Int) {
    if capacity >= minimumMappedBytes { munmap(buffer, capacity) } else { free(buffer) }
  }

  /// All capacities from this one on are whole pages.
  private static let minimumMappedBytes = 1 << 17
  private static let hugePageBytes = 1 << 21

  /// Returns a buffer to the pool, which keeps it for reuse.
  package func giveBack(_ buffer: UnsafeMutableRawPointer, sizeClass: Int) {
    let capacity = BufferPool.capacity(ofClass: sizeClass)
    state.withLock { state in
      while state.free.count <= sizeClass { state.free.append([]) }
      state.free[sizeClass].append(buffer)
      state.statistics.bytesInUse -= capacity
      state.statistics.bytesKept += capacity
    }
  }

  /// Releases all free buffers to the system.
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

  /// The smallest class whose capacity is at least `byteCount`. Class 0 is 4 lines of 64 bytes; the
  /// next four classes divide the interval to the next power of two evenly, and so on.
  package static func sizeClass(of byteCount: Int) -> Int {
    let lines = max((byteCount + CacheLine.byteCount - 1) / CacheLine.byteCount, 4)
    let exponent = Int.bitWidth - 1 - (lines - 1).leadingZeroBitCount  // 2^e <= lines - 1
    let quarter = (lines - 1) >> (exponent - 2) & 3
    return lines == 4 ? 0 : (exponent - 2) * 4 + quarter + 1
  }

  package static func capacity(ofClass sizeClass: Int) -> Int {
    if sizeClass == 0 { return 4 * CacheLine.byteCount }
    let exponent = (sizeClass - 1) / 4 + 2
    let quarter = (sizeClass - 1) % 4
    return ((4 + quarter + 1) << (exponent - 2)) * CacheLine.byteCount
  }
}
