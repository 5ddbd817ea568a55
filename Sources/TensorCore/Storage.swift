/// A run of memory that tensors view.
///
/// Either a buffer of the pool, which goes back to it when the last view is gone, or memory that
/// somebody else owns (an arena, an MPI window), kept alive by `owner`.
public final class Storage {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  private let sizeClass: Int  // -1: not the pool's
  private let owner: AnyObject?

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

  deinit {
    if sizeClass >= 0 { BufferPool.shared.giveBack(base, sizeClass: sizeClass) }
  }
}
