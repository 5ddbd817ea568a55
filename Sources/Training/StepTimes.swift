import System

/// Where the seconds of a step went on one rank.
public struct StepTimes: Sendable, Equatable {
  /// Gathering the samples.
  public var batch = 0.0
  public var forward = 0.0
  public var backward = 0.0
  /// Waiting for the sum, after the backward pass.
  public var reduction = 0.0
  public var optimizer = 0.0
  /// The whole step.
  public var total = 0.0

  public init() {}

  /// Adds another step's.
  public mutating func accumulate(_ step: StepTimes) {
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
struct Stopwatch {
  private var last = monotonicSeconds()

  mutating func lap() -> Double {
    let now = monotonicSeconds()
    defer { last = now }
    return now - last
  }
}
