import DataParallel
import Testing

/// The choice against steps of given lengths; nothing is timed.
struct ThreadChoiceTests {
  /// Makes steps for so many seconds, in which a shared or a lone step takes so long.
  /// - Returns: how many were made each way.
  private func steps(
    _ choice: inout ThreadChoice, seconds: Double, shared: Double, alone: Double
  ) -> (shared: Int, alone: Int) {
    var counts = (shared: 0, alone: 0)
    var left = seconds
    while left > 0 {
      let isAlone = choice.isAlone
      if isAlone { counts.alone += 1 } else { counts.shared += 1 }
      choice.note(isAlone ? alone : shared)
      left -= isAlone ? alone : shared
    }
    return counts
  }

  @Test func theFasterWayIsTakenAndTheOtherIsTriedNowAndThen() {
    var choice = ThreadChoice()
    let first = steps(&choice, seconds: 1, shared: 10e-6, alone: 20e-6)
    #expect(Double(first.shared) * 10e-6 > 0.98 && first.alone > 0)
    // The threads were moved apart.
    _ = steps(&choice, seconds: 1, shared: 60e-6, alone: 20e-6)
    let later = steps(&choice, seconds: 1, shared: 60e-6, alone: 20e-6)
    #expect(Double(later.alone) * 20e-6 > 0.98 && later.shared > 0)
  }

  @Test func aLittleFasterIsNotFaster() {
    var choice = ThreadChoice()
    let counts = steps(&choice, seconds: 1, shared: 10e-6, alone: 9.9e-6)
    #expect(Double(counts.shared) * 10e-6 > 0.98)
  }

  @Test func ofLongStepsAllAreShared() {
    var choice = ThreadChoice()
    #expect(steps(&choice, seconds: 60, shared: 1.1e-3, alone: 0.5e-3).alone == 0)
  }

  /// One slow step, as where a system was busy, decides nothing.
  @Test func oneSlowStepDecidesNothing() {
    for slow in 0..<64 {
      var choice = ThreadChoice()
      for step in 0..<64 {
        choice.note(step == slow ? 5e-3 : choice.isAlone ? 20e-6 : 10e-6)
      }
      #expect(!choice.isAlone, "step \(slow)")
    }
  }
}
