import System

/// Measures the kernels of one thread, for benchmarks. Other threads must not run kernels while it
/// is on.
public enum KernelClock {
  /// Whether kernels are timed, which costs about 50 ns for each.
  @exclusivity(unchecked) public nonisolated(unsafe) static var isOn = false
  /// Seconds in kernels while it was on.
  public private(set) nonisolated(unsafe) static var seconds = 0.0
  private nonisolated(unsafe) static var isInside = false

  /// Floating-point operations of the calling thread's matrix products and convolutions so far: 2 m
  /// n k for a product. They are counted even while `isOn` is false.
  public static var operations: Int { KernelContext.current.operations }
  /// The part of `operations` that was computed: some products of 0 are skipped.
  public static var operationsComputed: Int { KernelContext.current.operationsComputed }

  static func timed<Result>(_ body: () -> Result) -> Result {
    // A kernel inside another is timed once.
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
