import Glibc

/// The learning rate during a run: a function of the step only.
///
/// t = step - 1 is the number of steps taken before, as in PyTorch's schedulers (`scheduler.step()`
/// after every `optimizer.step()`).
public indirect enum Schedule: Sendable, Equatable {
  case constant
  /// Falls from the base rate to 0 along half a cosine over the run: PyTorch's CosineAnnealingLR
  /// with one period, lr (1 + cos(pi t / totalSteps)) / 2.
  case cosine
  /// PyTorch's StepLR: lr factor^(t / every, rounded down).
  case step(every: Int, factor: Double)
  /// PyTorch's MultiStepLR: lr times `factor` for each of `milestones` that t has reached.
  case multiStep(milestones: [Int], factor: Double)
  /// PyTorch's ExponentialLR: lr factor^t.
  case exponential(factor: Double)
  /// Rises linearly from `startFactor` times the base rate to the base rate over `steps` steps
  /// (PyTorch's LinearLR); after that, `then` is the schedule of the rest of the run
  /// (SequentialLR).
  case linearWarmUp(steps: Int, startFactor: Double, then: Schedule)
  /// PyTorch's OneCycleLR (Smith and Topin, 2018). The base rate is the largest. The rate follows
  /// cosines: up from base / `divisor` to the base rate over the first `share` of the run, then
  /// down to base / `divisor` / `finalDivisor`.
  /// - Note: PyTorch's defaults are 0.3, 25 and 1e4; `share` is below 1.
  case oneCycle(share: Double, divisor: Double, finalDivisor: Double)

  /// The learning rate of step `step`, counted from 1.
  public func rate(base: Double, step: Int, totalSteps: Int) -> Double {
    let t = step - 1
    switch self {
    case .constant: return base
    case .cosine: return base * (1 + cos(.pi * Double(t) / Double(totalSteps))) / 2
    case .step(let every, let factor): return base * pow(factor, Double(t / every))
    case .multiStep(let milestones, let factor):
      return base * pow(factor, Double(milestones.count { $0 <= t }))
    case .exponential(let factor): return base * pow(factor, Double(t))
    case .linearWarmUp(let steps, let start, let then):
      if t < steps { return base * (start + (1 - start) * Double(t) / Double(steps)) }
      return then.rate(base: base, step: step - steps, totalSteps: totalSteps - steps)
    case .oneCycle(let share, let divisor, let finalDivisor):
      let first = base / divisor
      let top = share * Double(totalSteps) - 1
      let end = Double(totalSteps) - 1
      let now = Double(t)
      if now < top { return Schedule.annealed(from: first, to: base, now / top) }
      return Schedule.annealed(from: base, to: first / finalDivisor, (now - top) / (end - top))
    }
  }

  /// The rate on half a cosine from `start` to `end`; `part` is from 0 to 1.
  private static func annealed(from start: Double, to end: Double, _ part: Double) -> Double {
    end + (start - end) / 2 * (1 + cos(.pi * part))
  }
}
