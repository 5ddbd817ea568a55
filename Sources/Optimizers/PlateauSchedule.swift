import System

/// Lowers the learning rate when a metric stops getting better, as PyTorch's ReduceLROnPlateau.
public struct PlateauSchedule: Sendable, Equatable {
  public enum Better: Sendable { case smaller, larger }
  public enum Threshold: Sendable, Equatable {
    /// Better by this part of the best value so far.
    case relative(Double)
    /// Better by this much.
    case absolute(Double)
  }

  public let better: Better
  public let factor: Double
  public let patience: Int
  public let threshold: Threshold
  public let cooldown: Int
  public let leastRate: Double

  public private(set) var rate: Double
  /// The best value so far; nil before the first.
  public private(set) var best: Double?
  private var badCount = 0
  private var cooldownLeft = 0

  /// - Parameters:
  ///   - rate: the rate to begin with.
  ///   - factor: what the rate is multiplied by.
  ///   - patience: values in a row that may be no better.
  ///   - cooldown: values after a reduction that do not count.
  ///   - leastRate: the rate never falls below it.
  /// - The defaults are PyTorch's.
  public init(
    rate: Double, better: Better = .smaller, factor: Double = 0.1, patience: Int = 10,
    threshold: Threshold = .relative(1e-4), cooldown: Int = 0, leastRate: Double = 0
  ) {
    require(factor < 1, "PlateauSchedule: a factor of \(factor) does not lower the rate")
    self.rate = rate
    self.better = better
    self.factor = factor
    self.patience = patience
    self.threshold = threshold
    self.cooldown = cooldown
    self.leastRate = leastRate
  }

  /// Takes in the next value of the metric, such as an epoch's validation loss.
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
      let lowered = max(rate * factor, leastRate)
      // PyTorch's eps: a smaller change is none.
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
