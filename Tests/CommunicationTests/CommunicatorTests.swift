import Communication
import TestSupport
import Testing

/// What holds on many ranks is checked in Tests/Ranks, by `rankchecks`.
@Suite struct CommunicatorTests {
  @Test(arguments: [1, 2, 3, 4])
  func ranksKnowTheirPlaces(ranks: Int) throws {
    try expectHolds(["places"], ranks: ranks)
  }

  @Test(arguments: [1, 2, 3, 4])
  func collectivesGiveTheirClosedForms(ranks: Int) throws {
    try expectHolds(["collectives"], ranks: ranks)
  }

  @Test(arguments: [1, 2, 3, 4])
  func barriersWaitForTheLastRankAndTheQuietOneSleeps(ranks: Int) throws {
    try expectHolds(["barriers"], ranks: ranks)
  }

  @Test func oneProcessWithoutMpirunIsAWorldOfOne() throws {
    let outcome = try run([builtProduct("rankchecks"), "collectives"])
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.stdout == "collectives: held, worldSize 1\n")
  }

  @Test func mpiErrorsComeBackAsSwiftErrors() throws {
    try expectHolds(["mpi-error"], ranks: 2)
  }

  @Test(arguments: [64, 76, 127])
  func abortGivesTheJobItsStatus(status: Int) throws {
    let outcome = try mpirun(ranks: 2, [builtProduct("rankchecks"), "abort", "\(status)"])
    #expect(outcome.status == Int32(status), "\(outcome)")
  }

  @Test(arguments: [0, 128, 300, -1])
  func abortTrapsOnAStatusThatMpirunWouldNotReport(status: Int) throws {
    let outcome = try trapping(["abort", "\(status)"])
    #expect(outcome.stderr.contains("Communicator.abort: status \(status) is not in 1 ... 127"))
  }

  @Test func aFailedCheckFailsTheJob() throws {
    let outcome = try mpirun(ranks: 2, [builtProduct("rankchecks"), "nonsense"])
    #expect(outcome.status == 70, "\(outcome)")
    #expect(outcome.stdout.contains("nndist: error: no check 'nonsense'"))
  }
}

@Suite struct RequestTests {
  @Test(arguments: [1, 2, 3, 4])
  func messagesArriveByTagAndShortOnesAreNoticed(ranks: Int) throws {
    try expectHolds(["messages"], ranks: ranks)
  }

  @Test func aRequestDroppedUnfinishedTraps() throws {
    let outcome = try trapping(["dropped-request"])
    #expect(
      outcome.stderr.contains(
        "a request was dropped unfinished: receive from rank 0, 32 bytes, tag 3"))
  }
}

@Suite struct SharedWindowTests {
  @Test(arguments: [1, 2, 3, 8])
  func ranksShareTheirMemoryAndWaitForEachOther(ranks: Int) throws {
    try expectHolds(["window"], ranks: ranks)
  }

  @Test(arguments: [1, 2])
  func roomIsAskedForBefore(ranks: Int) throws {
    try expectHolds(["window-room"], ranks: ranks)
  }
}

@Suite struct AgreementTests {
  @Test(arguments: [1, 2, 3, 4])
  func allRanksReturnOrAllThrowTheSame(ranks: Int) throws {
    try expectHolds(["agreement"], ranks: ranks)
  }

  @Test(arguments: [2, 3, 4])
  func differentPhasesAreNoticed(ranks: Int) throws {
    try expectHolds(["out-of-step"], ranks: ranks)
  }
}

@Suite struct GuardTests {
  @Test(arguments: [2, 3, 4], ["mismatches", "mismatches-by-messages"])
  func ranksThatAreOutOfStepAreToldAlike(ranks: Int, check: String) throws {
    try expectHolds([check], ranks: ranks)
  }

  @Test func ranksAreListedInRuns() {
    #expect(rankList([3]) == "rank 3")
    #expect(rankList([0, 1]) == "ranks 0, 1")
    #expect(rankList([0, 2, 3, 4, 6, 7]) == "ranks 0, 2 to 4, 6, 7")
    #expect(rankList([1, 2], hosts: ["a", "b", "b"]) == "ranks 1, 2 (host b)")
    #expect(
      rankList(Array(0...5), hosts: ["a", "b", "b", "c", "d", "e"])
        == "ranks 0 to 5 (hosts a, b, c and 2 more)")
  }
}

/// A check that ends in a Swift trap, on one rank. Without the backtrace, which takes seconds.
private func trapping(_ arguments: [String]) throws -> Outcome {
  let outcome = try mpirun(
    ranks: 1, [builtProduct("rankchecks")] + arguments,
    environment: ["SWIFT_BACKTRACE": "enable=no"])
  #expect(outcome.status == 132, "\(outcome)")
  return outcome
}
