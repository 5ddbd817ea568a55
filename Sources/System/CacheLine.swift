/// The size of a cache line, which is also that of an AVX-512 register. Buffers and the tensors in
/// arenas begin at multiples of it: vector loads do not cross lines, and threads or ranks that
/// write to different parts do not share a line.
package enum CacheLine {
  @inlinable package static var byteCount: Int { 64 }
  /// float32 elements in a line.
  @inlinable package static var floatCount: Int { 16 }

  /// `byteCount` rounded up to whole lines.
  @inlinable package static func roundedUp(byteCount: Int) -> Int {
    (byteCount + CacheLine.byteCount - 1) / CacheLine.byteCount * CacheLine.byteCount
  }

  /// `floatCount` elements rounded up to whole lines.
  @inlinable package static func roundedUp(floatCount: Int) -> Int {
    (floatCount + CacheLine.floatCount - 1) / CacheLine.floatCount * CacheLine.floatCount
  }
}
