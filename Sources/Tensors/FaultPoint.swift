import System

/// Places where a test's program makes something go wrong. In the product there is no handler, and a
/// place costs one branch.
public enum FaultPoint {
  /// Who comes to which place, and when.
  public struct Visit {
    public let site: String
    public let rank: Int
    /// The training step; 0 before the first.
    public let step: Int
    /// What may be damaged there, by name; most places offer nothing.
    public let tensors: () -> [(name: String, tensor: Tensor)]
  }

  /// What the place itself must do wrong. All else the handler does before it returns: it may sleep,
  /// write to the tensors or end the process.
  public enum Fault: Sendable {
    /// Leave the collective out.
    case skip
    /// Enter it with another count, element type or operation than the others.
    case otherCount, otherType, otherOperation
    /// Fail.
    case error
    /// Believe nothing of the tensors that was known before: they have been written to.
    case damaged
  }

  /// Written once, by a test's program, before anything runs.
  @exclusivity(unchecked) @usableFromInline nonisolated(unsafe) static var handler:
    ((Visit) -> Fault?)?

  /// For the programs of tests alone.
  package static func install(_ handler: @escaping (Visit) -> Fault?) { self.handler = handler }

  /// Called at each place, and inlined there.
  /// - Returns: what to do wrong; in the product nil.
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

  /// The same at a place that can fail.
  /// - Throws: Failure where a test wants it.
  public static func visit(_ site: String, rank: Int, step: Int) throws {
    if reach(site, rank: rank, step: step) == .error {
      throw Failure(.ioError, "cannot go on: a test asked for an error at \(site)")
    }
  }
}
