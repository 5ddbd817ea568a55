import System

/// What kernels do, for benchmarks. One thread's: others must not run kernels while it is on.
public enum KernelClock {
  /// Whether kernels are timed, which costs some 50 ns each.
  @exclusivity(unchecked) public nonisolated(unsafe) static var isOn = false
  /// Seconds in kernels while it was on.
  public private(set) nonisolated(unsafe) static var seconds = 0.0
  private nonisolated(unsafe) static var isInside = false

  /// Floating-point operations of the calling thread's matrix products and convolutions so far, on or
  /// off: 2 m n k for a product.
  public static var operations: Int { KernelContext.current.operations }
  /// Those of them that were made: products of 0 are passed over in places.
  public static var operationsMade: Int { KernelContext.current.operationsMade }

  static func timed<Result>(_ body: () -> Result) -> Result {
    // A kernel that calls another is one.
    if isInside { return body() }
    isInside = true
    let start = monotonicSeconds()
    defer {
      seconds += monotonicSeconds() - start
      isInside = false
    }
    return body()
  }
}
