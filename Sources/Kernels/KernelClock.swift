import Glibc

/// What kernels do, for benchmarks. One thread's: others must not run kernels while it is on.
public enum KernelClock {
  /// Whether kernels are timed, which costs some 50 ns each.
  public nonisolated(unsafe) static var isOn = false
  /// Seconds in kernels while it was on.
  public private(set) nonisolated(unsafe) static var seconds = 0.0
  private nonisolated(unsafe) static var isInside = false

  /// Floating-point operations of the calling thread's matrix products and convolutions so far, on or
  /// off: 2 m n k for a product.
  public static var operations: Int { KernelContext.current.operations }

  static func timed<Result>(_ body: () -> Result) -> Result {
    // A kernel that calls another is one.
    if isInside { return body() }
    isInside = true
    let start = now()
    defer {
      seconds += now() - start
      isInside = false
    }
    return body()
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
