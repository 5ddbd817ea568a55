import System

/// Where the seconds of a step went on one rank.
package struct StepTimes: Sendable, Equatable {
  /// Gathering the samples.
  package var batch = 0.0
  package var forward = 0.0
  package var backward = 0.0
  /// Waiting for the sum, after the backward pass.
  package var reduction = 0.0
  package var optimizer = 0.0
  /// The whole step.
  package var total = 0.0

  package init() {}

  /// Adds another step's.
  package mutating func accumulate(_ step: StepTimes) {
    add(step)
    reduction += step.reduction
    optimizer += step.optimizer
    total += step.total
  }

  /// Adds what another shard of the rank took.
  mutating func add(_ shard: StepTimes) {
    batch += shard.batch
    forward += shard.forward
    backward += shard.backward
  }
}

/// Seconds between laps.
package struct Stopwatch {
  private var last = monotonicSeconds()

  package init() {}

  package mutating func lap() -> Double {
    let now = monotonicSeconds()
    defer { last = now }
    return now - last
  }
}
