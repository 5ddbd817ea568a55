/// A contiguous block of memory that tensors view.
///
/// It is either a buffer of the pool, returned when the last view is freed, or memory with another
/// owner (an arena, an MPI window), which the reference `owner` keeps alive.
public final class Storage {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  private let sizeClass: Int  // -1: not from the pool
  private let owner: AnyObject?
  /// Counts the in-place writes to the memory. Graphs may keep it after the memory is freed.
  public let version = StorageVersion()

  /// A buffer from the pool, with undefined contents.
  public init(byteCount: Int) {
    (base, sizeClass) = BufferPool.shared.take(byteCount)
    self.byteCount = byteCount
    owner = nil
  }

  /// Memory that stays valid at least as long as `owner` lives.
  public init(base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject?) {
    self.base = base
    self.byteCount = byteCount
    self.sizeClass = -1
    self.owner = owner
  }

  /// Counts an in-place write. Call it after changing elements that a computation may already have
  /// used.
  public func markWritten() { version.count &+= 1 }

  deinit {
    if sizeClass >= 0 { BufferPool.shared.giveBack(base, sizeClass: sizeClass) }
  }
}

/// The number of in-place writes to a storage. A separate object, so that a graph can detect a
/// change of its saved tensors without keeping their memory alive.
public final class StorageVersion {
  @exclusivity(unchecked) @usableFromInline var count = 0
  @inlinable public var writes: Int { count }
}
