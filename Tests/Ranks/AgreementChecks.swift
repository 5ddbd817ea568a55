import Communication
import System

/// Every rank's outcome of an agreement must be the same; returns it.
private func agreedFailure(_ c: Communicator, _ body: () throws -> Void) throws -> Failure {
  let failure = try thrown(Failure.self) { try c.agree(on: "checking", body) }
  let all = try c.allgather(bytes: Array("\(failure.status) \(failure)".utf8))
  try expect(all.allSatisfy { $0 == all[0] }, "ranks threw different failures: \(failure)")
  return failure
}

func checkAgreement(_ c: Communicator) throws {
  let last = c.worldSize - 1
  let place = { (rank: Int) in
    c.worldSize == 1 ? "" : " (rank \(rank) of \(c.worldSize), host \(c.hostName))"
  }

  // All well: each rank's own value.
  try expectEqual(try c.agree(on: "squaring") { c.rank * c.rank }, c.rank * c.rank, "value")

  // One rank fails: its failure everywhere, the rank named.
  let missing = Failure(.inputMissing, "no file 'x'", remedy: "fetch it")
  try expectEqual(
    try agreedFailure(c) { if c.rank == last { throw missing } },
    Failure(.inputMissing, "no file 'x'" + place(last), remedy: "fetch it"), "one failure")

  // All fail alike: nobody named.
  try expectEqual(try agreedFailure(c) { throw missing }, missing, "equal failures")

  // All fail, each in its own way: the lowest rank's, though a higher one's status is worse.
  try expectEqual(
    try agreedFailure(c) {
      throw Failure(c.rank == 0 ? .badData : .ranksDisagree, "trouble \(c.rank)")
    },
    Failure(.badData, "trouble 0" + place(0)), "different failures")

  // An error of MPI: the phase, the function and MPI's text.
  let failure = try agreedFailure(c) {
    guard c.rank == last else { return }
    try c.send(UnsafeRawBufferPointer(start: nil, count: 0), to: c.worldSize, tag: 0).wait()
  }
  try expectEqual(failure.status, .trainingFailed, "status of an MPI error")
  try expect(
    failure.message.hasPrefix("checking: MPI_Isend failed: ")
      && failure.message.contains("invalid rank") && failure.message.hasSuffix(place(last)),
    "message of an MPI error: \(failure)")

  // And the communicator still works.
  try expectEqual(try c.allreduceMax(Int64(c.rank)), Int64(last), "max after failures")
}

/// Ranks that agree on different things are told so.
func checkOutOfStep(_ c: Communicator) throws {
  let failure = try thrown(Failure.self) {
    try c.agree(on: c.rank == 0 ? "loading" : "saving") {}
  }
  try expectEqual(failure.status, .trainingFailed, "status")
  let others = rankList(Array(1..<c.worldSize))
  try expect(
    failure.message.hasSuffix(
      ": rank 0 (host \(c.hostName)) in agreement (loading, before step 1), "
        + "\(others) (host \(c.hostName)) in agreement (saving, before step 1)"),
    failure.message)
}
