import Communication
import System

/// Ranks that come to different collectives: each is told what all were about to do, nothing moves,
/// and the ranks can go on.
func checkMismatches(_ c: Communicator) throws {
  let last = c.worldSize - 1
  let isLast = c.rank == last

  /// - Parameters:
  ///   - wrong: what the last rank is told to be in, `right` the others.
  func outOfStep(
    _ right: String, _ wrong: String, line: Int = #line, _ body: () throws -> Void
  ) throws {
    let failure = try thrown(Failure.self, line: line, by: body)
    try expectEqual(failure.status, .trainingFailed, "status", line: line)
    let sides =
      ": \(rankList(Array(0..<last))) (host \(c.hostName)) in \(right), "
      + "rank \(last) (host \(c.hostName)) in \(wrong)"
    try expect(
      failure.message.hasPrefix("the ranks are out of step at collective ")
        && failure.message.hasSuffix(sides), "\(failure.message), not \(sides)", line: line)
    let all = try c.allgather(bytes: Array(failure.message.utf8))
    try expect(all.allSatisfy { $0 == all[0] }, "ranks were told different things", line: line)
  }

  c.step = 7
  var bytes = [UInt8](repeating: UInt8(c.rank), count: 65)
  try outOfStep(
    "broadcast of 64 byte (buffers, step 7)", "broadcast of 65 byte (buffers, step 7)"
  ) {
    try bytes.withUnsafeMutableBytes { bytes in
      let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(isLast ? 65 : 64)])
      try c.broadcast(part, from: 0, file: "buffers", line: 0)
    }
  }
  try expect(bytes.allSatisfy { $0 == UInt8(c.rank) }, "data moved")

  try outOfStep(
    "allreduce of the maximum of 1 int64 (here:1, step 7)",
    "allreduce of the minimum of 1 int64 (here:1, step 7)"
  ) {
    if isLast {
      _ = try c.allreduceMin(5, file: "here", line: 1)
    } else {
      _ = try c.allreduceMax(5, file: "here", line: 1)
    }
  }
  try outOfStep("sum of 100 float32 (gradients, step 7)", "sum of 100 bfloat16 (gradients, step 7)")
  {
    try c.enter(.sum, of: isLast ? .bfloat16 : .float32, count: 100, at: "gradients")
  }
  // The same call of another place, and of another step.
  try outOfStep("barrier (here:1, step 7)", "barrier (here:2, step 7)") {
    try c.barrier(file: "here", line: isLast ? 2 : 1)
  }
  try outOfStep("agreement (saving, step 7)", "agreement (saving, step 8)") {
    c.step = isLast ? 8 : 7
    defer { c.step = 7 }
    try c.agree(on: "saving") {}
  }
  try expectEqual(try c.allreduceMax(Int64(c.rank)), Int64(last), "after mismatches")
}
