import System
import Testing
import Training

@Suite struct NumberTextTests {
  @Test(arguments: [
    (0, 2, "0.00"), (-0.0, 2, "0.00"), (1.005, 1, "1.0"), (2.5, 0, "3"), (0.04, 1, "0.0"),
    (-0.04, 1, "0.0"), (-0.06, 1, "-0.1"), (9.999, 2, "10.00"), (88.8, 2, "88.80"),
    (0.000_001, 6, "0.000001"), (12345.678, 3, "12345.678"), (0.5, 4, "0.5000"),
    (.nan, 2, "nan"), (.infinity, 2, "inf"), (-.infinity, 2, "-inf"), (1e30, 2, "1e+30"),
  ])
  func fixedHasItsDigits(value: Double, digits: Int, text: String) {
    #expect(fixed(value, digits) == text)
  }

  @Test(arguments: [
    (0, "00:00"), (0.999, "00:00"), (59.9, "00:59"), (60, "01:00"), (3599, "59:59"),
    (3600, "1:00:00"), (3661, "1:01:01"), (360_000, "100:00:00"), (-1, "?"), (.nan, "?"),
    (.infinity, "?"), (1e300, "?"),
  ])
  func clockShowsHoursOnlyWhereThereAreAny(seconds: Double, text: String) {
    #expect(clock(seconds) == text)
  }
}

@Suite struct ProgressTests {
  private func progress(_ step: Int, of steps: Int, loss: Float = 0.4312) -> Console.Progress {
    Console.Progress(
      epoch: 1, epochs: 5, step: step, stepsPerEpoch: steps, secondsInEpoch: 2.2,
      stepsPerSecond: 180.1, loss: loss)
  }

  @Test func barIsAsTqdmsUsersKnowIt() {
    #expect(
      progress(394, of: 938).bar(width: 80)
        == "Epoch 1/5:  42%|█████       | 394/938 [00:02<00:03, 180.1 steps/s, loss=0.4312]")
  }

  @Test func plainLineHasTheSameFigures() {
    #expect(
      progress(394, of: 938).plain
        == "Epoch 1/5: 42% 394/938 [00:02<00:03, 180.1 steps/s, loss=0.4312]")
  }

  /// A line as wide as the terminal would wrap, and the next one would not cover it.
  @Test(arguments: Array(1...90) + [120, 200, 1000])
  func barIsNarrowerThanTheTerminal(width: Int) {
    for (step, steps) in [(0, 1), (1, 1), (1, 938), (394, 938), (937, 938), (99_999, 1_000_000)] {
      for loss: Float in [0.4312, 0, -1, .nan, .infinity, 1e30] {
        let bar = progress(step, of: steps, loss: loss).bar(width: width)
        #expect(bar.count < max(width, 1) || width == 0, "\(bar)")
        #expect(!bar.contains("\n"))
      }
    }
  }

  @Test func barGrowsAndIsFullOnlyAtTheEnd() {
    var last = -1
    for step in 0...938 {
      let bar = progress(step, of: 938).bar(width: 100)
      let full = bar.count { $0 == "█" }
      #expect(full >= last)
      last = full
      let room = bar.split(separator: "|", omittingEmptySubsequences: false)[1]
      #expect((full == room.count) == (step == 938))
    }
    #expect(progress(0, of: 938).bar(width: 100).contains("  0%|  "))
  }

  @Test func unknownSpeedGivesNoTimeLeft() {
    let start = Console.Progress(
      epoch: 1, epochs: 1, step: 0, stepsPerEpoch: 10, secondsInEpoch: 0, stepsPerSecond: 0, loss: 1
    )
    #expect(start.plain == "Epoch 1/1: 0% 0/10 [00:00<?, 0.0 steps/s, loss=1.0000]")
  }
}
