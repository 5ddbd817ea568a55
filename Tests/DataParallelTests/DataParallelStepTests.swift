import TestSupport
import Testing

/// Loops over one's own network, loss and data, on ranks of their own (Tests/Ranks/StepChecks.swift).
@Suite struct DataParallelStepTests {
  @Test(arguments: [1, 2, 3, 4]) func anyNumberOfRanksHasTheSameBits(ranks: Int) throws {
    try expectHolds(["step"], ranks: ranks)
  }

  @Test(arguments: [1, 2, 3]) func misuseIsOneFailureThatNamesBothSides(ranks: Int) throws {
    try expectHolds(["misuse"], ranks: ranks)
  }
}
