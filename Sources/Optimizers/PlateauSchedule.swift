import System

/// Lowers the learning rate when a metric stops improving, as PyTorch's ReduceLROnPlateau.
public struct PlateauSchedule: Sendable, Equatable {
  public enum Better: Sendable { case smaller, larger }
  public enum Threshold: Sendable, Equatable {
    /// A value must be better than the best value so far by this fraction of it.
    case relative(Double)
    /// A value must be better than the best value so far by this amount.
    case absolute(Double)
  }

  public let better: Better
  public let factor: Double
  public let patience: Int
  public let threshold: Threshold
  public let cooldown: Int
  public let minimumRate: Double

  public private(set) var rate: Double
  /// The best value so far; nil before the first.
  public private(set) var best: Double?
  private var badCount = 0
  private var cooldownLeft = 0

  /// - Parameters:
  ///   - rate: the initial rate.
  ///   - better: whether smaller or larger values of the metric are better.
  ///   - factor: multiplies the rate at each reduction.
  ///   - patience: the number of values in a row that may bring no improvement; the next such value
  ///     reduces the rate.
  ///   - threshold: the smallest change that is an improvement.
  ///   - cooldown: the number of values after a reduction that are not counted.
  ///   - minimumRate: the rate never falls below it.
  /// - Note: The defaults are PyTorch's.
  public init(
    rate: Double, better: Better = .smaller, factor: Double = 0.1, patience: Int = 10,
    threshold: Threshold = .relative(1e-4), cooldown: Int = 0, minimumRate: Double = 0
  ) {
    require(factor < 1, "PlateauSchedule: a factor of \(factor) does not lower the rate")
    self.rate = rate
    self.better = better
    self.factor = factor
    self.patience = patience
    self.threshold = threshold
    self.cooldown = cooldown
    self.minimumRate = minimumRate
  }

  /// Records the next value of the metric, such as an epoch's validation loss.
  /// - Returns: the rate from now on.
  @discardableResult
  public mutating func record(_ metric: Double) -> Double {
    if isBetter(metric) {
      best = metric
      badCount = 0
    } else {
      badCount += 1
    }
    if cooldownLeft > 0 {
      cooldownLeft -= 1
      badCount = 0
    }
    if badCount > patience {
      let lowered = max(rate * factor, minimumRate)
      // PyTorch's eps: a smaller change is ignored.
      if rate - lowered > 1e-8 { rate = lowered }
      cooldownLeft = cooldown
      badCount = 0
    }
    return rate
  }

  private func isBetter(_ metric: Double) -> Bool {
    guard let best else { return !metric.isNaN }
    return switch (better, threshold) {
    case (.smaller, .relative(let part)): metric < best * (1 - part)
    case (.smaller, .absolute(let step)): metric < best - step
    case (.larger, .relative(let part)): metric > best * (1 + part)
    case (.larger, .absolute(let step)): metric > best + step
    }
  }
}
