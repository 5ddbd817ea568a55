import DataParallel
import Testing
import Training

@Suite struct TimeLimitTests {
  @Test(arguments: [
    ("90", 90), ("2.5", 2.5), ("55:00", 3300), ("1:05", 65), ("01:55:00", 6900),
    ("2-01", 176_400), ("2-01:30", 178_200), ("2-01:00:10", 176_410), ("0-00:00:01", 1),
  ])
  func timesAreReadAsSlurmWritesThem(text: String, seconds: Double) {
    #expect(TimeLimit.seconds(text) == seconds)
  }

  @Test(arguments: [
    "", "0", "-1", "nan", "inf", "1e30", "00:00", "1:", ":1", "1:2:3:4", "1-", "-1:00", "1-2-3",
    "1-1:1:1:1",
    "1:+2", "1.5:00", "x", "9999999:00",
  ])
  func allElseIsNoTime(text: String) { #expect(TimeLimit.seconds(text) == nil) }

  @Test func slurmsEndIsThatOfTheEnvironment() {
    #expect(TimeLimit.slurm([:]) == nil)
    for text in ["", "x", "0", "-1"] {
      #expect(TimeLimit.slurm(["SLURM_JOB_END_TIME": text]) == nil)
    }
    #expect(TimeLimit.slurm(["SLURM_JOB_END_TIME": "1700000000"]) != nil)
  }
}

@Suite struct StragglerDetectorTests {
  private func reports(
    _ rows: [(seconds: [Double], samples: Double)]
  ) -> [StragglerDetector.Report] {
    rows.map { StragglerDetector.Report(host: "h", seconds: $0.seconds, samples: $0.samples) }
  }

  /// score = median over own: (1 + 2 + 3) / (1 + 8 + 3) = 0.5 is not below 0.5.
  @Test func rankBelowHalfTheMedianIsSlow() throws {
    let even = ([0.001, 0.002, 0.003], 10.0)
    #expect(
      StragglerDetector.slowRanks(reports([even, even, ([0.001, 0.008, 0.003], 10)])).isEmpty)
    let slow = StragglerDetector.slowRanks(reports([even, even, ([0.001, 0.011, 0.006], 10)]))
    #expect(slow.map(\.rank) == [2] && slow.map(\.section) == ["forward"])
    #expect(abs(try #require(slow.first).score - 6.0 / 18) < 1e-12)
  }

  @Test func rankWithMoreSamplesIsNotSlow() {
    #expect(
      StragglerDetector.slowRanks(
        reports([([0.001, 0.001, 0.001], 10), ([0.003, 0.003, 0.003], 30), ([0, 0, 0], 0)])
      ).isEmpty)
  }

  @Test func ofTwoTheFasterSetsTheMeasure() {
    let slow = StragglerDetector.slowRanks(reports([([0.009, 0, 0], 5), ([0.003, 0, 0], 5)]))
    #expect(slow.map(\.rank) == [0] && slow.map(\.section) == ["data"])
  }

  @Test func whatHoldsUpNobodyIsNotSlow() {
    #expect(StragglerDetector.slowRanks(reports([([1e-5, 0, 0], 5), ([9e-5, 0, 0], 5)])).isEmpty)
  }
}
