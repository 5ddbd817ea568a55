/// `withExtendedLifetime` for several tensors whose addresses `body` uses. A tuple of tensors would
/// cost reference counting for each one, which slows down the steps of small networks.
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
