/// `withExtendedLifetime` for several tensors whose addresses `body` has: a tuple of them would count
/// each one's references, which a step of a small network would feel.
@inlinable @inline(__always)
public func keepingAlive<Result>(
  _ a: Tensor, _ b: Tensor, _ c: Tensor? = nil, _ d: Tensor? = nil, _ body: () throws -> Result
) rethrows -> Result {
  defer {
    withExtendedLifetime(a) {}
    withExtendedLifetime(b) {}
    withExtendedLifetime(c) {}
    withExtendedLifetime(d) {}
  }
  return try body()
}
