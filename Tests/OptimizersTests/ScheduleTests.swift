import Optimizers
import TestSupport
import Testing

/// Learning rates against PyTorch's schedulers (Golden/variants.py).
struct ScheduleTests {
  struct Known: Decodable {
    let schedules: [String: [Double]]
    let metric: [Double]
    let plateaus: [String: [Double]]
  }

  static let schedules: [String: (Schedule, totalSteps: Int)] = [
    "constant": (.constant, 60),
    "cosine": (.cosine, 60),
    "step": (.step(every: 7, factor: 0.5), 60),
    "multiStep": (.multiStep(milestones: [5, 6, 30, 59], factor: 0.3), 60),
    "exponential": (.exponential(factor: 0.93), 60),
    "warm-up": (.linearWarmUp(steps: 9, startFactor: 1 / 3, then: .constant), 60),
    "warm-up, then cosine": (.linearWarmUp(steps: 10, startFactor: 0.01, then: .cosine), 60),
    "warm-up, then step": (
      .linearWarmUp(steps: 13, startFactor: 0.25, then: .step(every: 11, factor: 0.2)), 60
    ),
    "oneCycle": (.oneCycle(share: 0.3, divisor: 25, finalDivisor: 1e4), 61),
    "oneCycle, other constants": (.oneCycle(share: 0.45, divisor: 5, finalDivisor: 100), 61),
  ]

  /// PyTorch multiplies from step to step, off by a few 2^-53 at each of 60 steps.
  @Test func ratesArePyTorchs() throws {
    let known = try golden("variants.json", as: Known.self).schedules
    #expect(Set(known.keys) == Set(Self.schedules.keys))
    for (name, rates) in known {
      let (schedule, total) = try #require(Self.schedules[name])
      #expect(rates.count == 60)
      let ours = rates.indices.map { schedule.rate(base: 0.1, step: $0 + 1, totalSteps: total) }
      expectClose(ours, rates, name) { _ in 0.1 * 1e-14 * 60 }
    }
  }

  static let plateaus: [String: PlateauSchedule] = [
    "defaults": PlateauSchedule(rate: 0.1),
    "impatient": PlateauSchedule(
      rate: 0.1, factor: 0.5, patience: 2, cooldown: 3, minimumRate: 0.004),
    "largest, absolute": PlateauSchedule(
      rate: 0.1, better: .larger, factor: 0.3, patience: 4, threshold: .absolute(0.05)),
    "smallest, absolute": PlateauSchedule(
      rate: 0.1, factor: 0.6, patience: 0, threshold: .absolute(0.2)),
    "cooling": PlateauSchedule(
      rate: 0.1, factor: 0.8, patience: 0, threshold: .absolute(0.2), cooldown: 3),
    "largest, relative": PlateauSchedule(
      rate: 0.1, better: .larger, patience: 1, threshold: .relative(0.01)),
  ]

  @Test func plateausArePyTorchs() throws {
    let known = try golden("variants.json", as: Known.self)
    #expect(Set(known.plateaus.keys) == Set(Self.plateaus.keys))
    for (name, rates) in known.plateaus {
      var schedule = try #require(Self.plateaus[name])
      var ours: [Double] = []
      for value in known.metric {
        ours.append(schedule.rate)
        schedule.record(value)
      }
      #expect(Set(rates).count > 1, "\(name) never changes")
      expectClose(ours, rates, name) { 1e-14 * rates[$0] }
    }
  }

  @Test func byHand() {
    let warm = Schedule.linearWarmUp(steps: 4, startFactor: 0, then: .step(every: 2, factor: 0.5))
    let rates = (1...9).map { warm.rate(base: 8, step: $0, totalSteps: 9) }
    #expect(rates == [0, 2, 4, 6, 8, 8, 4, 4, 2])
    var plateau = PlateauSchedule(rate: 1, factor: 0.5, patience: 1)
    #expect([3, 2, 2, 2, 2, 2, 1].map { plateau.record($0) } == [1, 1, 1, 0.5, 0.5, 0.25, 0.25])
    #expect(plateau.best == 1)
  }
}
