import System

/// Places in the code where a test program can inject a fault. The product installs no handler, and
/// each place costs one branch there.
public enum FaultPoint {
  /// One visit of a place: where, on which rank, and at which step.
  public struct Visit {
    public let site: String
    public let rank: Int
    /// The training step; 0 before the first.
    public let step: Int
    /// The tensors that the handler may damage, by name. Empty at most places.
    public let tensors: () -> [(name: String, tensor: Tensor)]
  }

  /// The fault that the visited code must commit itself. The handler does everything else before it
  /// returns: it may sleep, write to the tensors or end the process.
  public enum Fault: Sendable {
    /// Do not enter the collective.
    case skip
    /// Enter the collective with another count, element type or operation than the other ranks.
    case otherCount, otherType, otherOperation
    /// Throw an error.
    case error
    /// Forget everything known about the tensors: the handler has written to them.
    case damaged
  }

  /// Written once, by a test program, before anything else runs.
  @exclusivity(unchecked) @usableFromInline nonisolated(unsafe) static var handler:
    ((Visit) -> Fault?)?

  /// For test programs only.
  package static func install(_ handler: @escaping (Visit) -> Fault?) { self.handler = handler }

  /// Asks the handler for a fault. Called and inlined at each place.
  /// - Returns: the fault to commit; nil in the product.
  @inlinable @inline(__always) public static func reach(
    _ site: @autoclosure () -> String, rank: Int, step: Int,
    tensors: @autoclosure @escaping () -> [(name: String, tensor: Tensor)] = []
  ) -> Fault? {
    if handler == nil { return nil }
    return visited(site(), rank, step, tensors)
  }

  @usableFromInline static func visited(
    _ site: String, _ rank: Int, _ step: Int,
    _ tensors: @escaping () -> [(name: String, tensor: Tensor)]
  ) -> Fault? {
    handler?(Visit(site: site, rank: rank, step: step, tensors: tensors))
  }

  /// `reach` for a place that can throw.
  /// - Throws: `Failure(.ioError)` if the handler returns `.error`.
  public static func visit(_ site: String, rank: Int, step: Int) throws {
    if reach(site, rank: rank, step: step) == .error {
      throw Failure(.ioError, "cannot go on: a test asked for an error at \(site)")
    }
  }
}
