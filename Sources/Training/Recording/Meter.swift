import System

/// Measures the speed of a run.
struct Meter {
  private var start = 0.0
  private var steps = 0
  private var lastCall = 0.0
  private var samples = 0

  mutating func begin() {
    start = monotonicSeconds()
    (steps, samples, lastCall) = (0, 0, start)
  }

  mutating func add(samples count: Int) {
    steps += 1
    samples += count
  }

  var seconds: Double { monotonicSeconds() - start }
  var stepsPerSecond: Double { Double(steps) / max(seconds, 1e-9) }

  mutating func samplesPerSecondSinceLastCall() -> Double {
    let now = monotonicSeconds()
    defer { (samples, lastCall) = (0, now) }
    return Double(samples) / max(now - lastCall, 1e-9)
  }
}
