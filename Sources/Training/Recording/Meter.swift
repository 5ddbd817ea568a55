import System

/// How fast a run goes.
struct Meter {
  private var start = 0.0
  private var steps = 0
  private var lastAsked = 0.0
  private var samples = 0

  mutating func begin() {
    start = monotonicSeconds()
    (steps, samples, lastAsked) = (0, 0, start)
  }

  mutating func add(samples count: Int) {
    steps += 1
    samples += count
  }

  var seconds: Double { monotonicSeconds() - start }
  var stepsPerSecond: Double { Double(steps) / max(seconds, 1e-9) }

  mutating func samplesPerSecondSinceLastAsked() -> Double {
    let now = monotonicSeconds()
    defer { (samples, lastAsked) = (0, now) }
    return Double(samples) / max(now - lastAsked, 1e-9)
  }
}
