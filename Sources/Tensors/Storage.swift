/// A run of memory that tensors view.
///
/// Either a buffer of the pool, which goes back to it when the last view is gone, or memory that
/// somebody else owns (an arena, an MPI window), kept alive by `owner`.
public final class Storage {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  private let sizeClass: Int  // -1: not the pool's
  private let owner: AnyObject?
  /// How often the memory was written in place; it outlives the memory in graphs that ask.
  public let version = StorageVersion()

  /// A buffer of the pool; its contents are undefined.
  public init(byteCount: Int) {
    (base, sizeClass) = BufferPool.shared.take(byteCount)
    self.byteCount = byteCount
    owner = nil
  }

  /// Memory that `owner` owns and keeps at least as long as it lives.
  public init(base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject?) {
    self.base = base
    self.byteCount = byteCount
    self.sizeClass = -1
    self.owner = owner
  }

  /// To be called by whatever changes elements that may already have been computed with.
  public func markWritten() { version.count &+= 1 }

  deinit {
    if sizeClass >= 0 { BufferPool.shared.giveBack(base, sizeClass: sizeClass) }
  }
}

/// The number of in-place writes to a storage: an object of its own, so that a graph can notice a
/// change of what it was computed from without keeping that memory.
public final class StorageVersion {
  @exclusivity(unchecked) @usableFromInline var count = 0
  @inlinable public var writes: Int { count }
}
