import Communication
import Glibc
import System

/// Places: every rank there once, and the ranks of this one host.
func checkPlaces(_ c: Communicator) throws {
  let ranks = try c.allgather(UInt64(c.rank))
  try expectEqual(ranks, (0..<UInt64(c.worldSize)).map { $0 }, "ranks")
  try expectEqual(c.isRoot, c.rank == 0, "isRoot")
  try expectEqual(c.localRank, c.rank, "localRank on one host")
  try expectEqual(c.localSize, c.worldSize, "localSize on one host")
  var name = [CChar](repeating: 0, count: 256)
  gethostname(&name, name.count)
  try expectEqual(
    c.hostName, name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }, "hostName")
}

/// Collectives, on data that differ by rank and whose answers have closed forms.
func checkCollectives(_ c: Communicator) throws {
  let last = c.worldSize - 1
  try expectEqual(try c.allreduceMax(Int64(c.rank * 10)), Int64(last * 10), "max")
  try expectEqual(try c.allreduceMin(Int64(c.rank * 10 - 7)), -7, "min")
  try expectEqual(
    try c.allgather(UInt64.max - UInt64(c.rank)), (0...last).map { UInt64.max - UInt64($0) },
    "allgather")

  // Rank r has 3 r bytes of value r, so root has none.
  let mine = [UInt8](repeating: UInt8(c.rank), count: 3 * c.rank)
  let all = (0...last).map { [UInt8](repeating: UInt8($0), count: 3 * $0) }
  try expectEqual(try c.allgather(bytes: mine), all, "allgather of bytes")
  try expectEqual(try c.gather(bytes: mine), c.isRoot ? all : nil, "gather of bytes")
  try expectEqual(try c.broadcast(mine), [], "broadcast of no bytes")
  try expectEqual(
    try c.broadcast([UInt8](repeating: UInt8(7 + c.rank), count: 100_000 + c.rank)),
    [UInt8](repeating: 7, count: 100_000), "broadcast of root's bytes")

  var numbers = (0..<1000).map { Double($0 * (c.rank + 1)) }
  try numbers.withUnsafeMutableBytes { try c.broadcast($0, from: last) }
  try expectEqual(numbers, (0..<1000).map { Double($0 * c.worldSize) }, "broadcast from the last")
}

/// No rank leaves a barrier before the last one came, and the quiet one leaves the core free.
func checkBarriers(_ c: Communicator) throws {
  let waits: [(String, () throws -> Void)] = [
    ("barrier", { try c.barrier() }), ("quietBarrier", { try c.quietBarrier() }),
  ]
  for (name, wait) in waits {
    let cpuBegin = microseconds(CLOCK_PROCESS_CPUTIME_ID)
    if c.rank == c.worldSize - 1 { usleep(300_000) }
    let came = microseconds(CLOCK_MONOTONIC)
    try wait()
    let left = microseconds(CLOCK_MONOTONIC)
    let cpu = microseconds(CLOCK_PROCESS_CPUTIME_ID) - cpuBegin

    let last = try c.allgather(UInt64(came)).max()!
    try expect(
      left >= Int(last), "left the \(name) \(Int(last) - left) us before the last rank came")
    if name == "quietBarrier" {
      try expect(cpu < 100_000, "\(name) used the core for \(cpu) of 300,000 us")
    }
  }
}

private func microseconds(_ clock: clockid_t) -> Int {
  var time = timespec()
  clock_gettime(clock, &time)
  return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// Each rank sends rank * 1000 + i to the next, in two messages whose tags the receiver asks for in
/// the other order.
func checkMessages(_ c: Communicator) throws {
  let next = (c.rank + 1) % c.worldSize
  let previous = (c.rank + c.worldSize - 1) % c.worldSize
  let mine = (0..<70_000).map { Float(c.rank * 1000 + $0) }
  var got = [Float](repeating: -1, count: mine.count)
  try mine.withUnsafeBytes { mine in
    try got.withUnsafeMutableBytes { got in
      try c.waitAll([
        c.receive(into: .init(rebasing: got[10...]), from: previous, tag: 5),
        c.receive(into: .init(rebasing: got[..<10]), from: previous, tag: 4),
        c.send(.init(rebasing: mine[..<10]), to: next, tag: 4),
        c.send(.init(rebasing: mine[10...]), to: next, tag: 5),
      ])
    }
  }
  try expectEqual(got, (0..<70_000).map { Float(previous * 1000 + $0) }, "messages")

  // A message shorter than its buffer.
  let short = try thrown(Failure.self) {
    try mine.withUnsafeBytes { mine in
      try got.withUnsafeMutableBytes { got in
        try c.waitAll([
          c.receive(into: .init(rebasing: got[..<16]), from: previous, tag: 6),
          c.send(.init(rebasing: mine[..<8]), to: next, tag: 6),
        ])
      }
    }
  }
  try expectEqual(
    short.message, "receive from rank \(previous), 16 bytes, tag 6: only 8 arrived", "message")
}

/// A rank that is none: MPI's own error comes back as MPIError.
func checkMPIError(_ c: Communicator) throws {
  let error = try thrown(MPIError.self) {
    try c.send(UnsafeRawBufferPointer(start: nil, count: 0), to: c.worldSize, tag: 0).wait()
  }
  try expectEqual(error.function, "MPI_Isend", "function")
  try expect(error.text.contains("invalid rank"), "\(error)")
}

/// A request dropped before it was waited for traps.
func dropRequest(_ c: Communicator) throws {
  var buffer = [Float](repeating: 0, count: 8)
  try buffer.withUnsafeMutableBytes { buffer in
    _ = try c.receive(into: buffer, from: c.rank, tag: 3)
  }
}
