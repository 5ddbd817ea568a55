import Communication
import DataParallel
import Glibc
import System
import Tensors

/// A window's parts: sizes that differ by rank, aligned, zeros, the same memory on all ranks; and
/// many windows one after another.
func checkWindow(_ c: Communicator) throws {
  let sizes = (0..<c.worldSize).map { $0 * 1001 }  // root brings nothing
  for _ in 0..<20 {
    let window = try SharedWindow(byteCount: sizes[c.rank], communicator: c)
    try expectEqual(window.parts.map(\.count), sizes, "byte counts")
    for (rank, part) in window.parts.enumerated() {
      try expect(UInt(bitPattern: part.baseAddress!) % 64 == 0, "part \(rank) is not aligned")
      try expect(part.allSatisfy { $0 == 0 }, "part \(rank) is not zero at first")
    }
    try window.barrier()
    // Rank r writes r + 1 to every r-th byte of all parts, from the r-th on.
    for part in window.parts {
      for i in stride(from: c.rank, to: part.count, by: c.worldSize) { part[i] = UInt8(c.rank + 1) }
    }
    try window.barrier()
    for part in window.parts {
      try expect(
        part.indices.allSatisfy { part[$0] == UInt8($0 % c.worldSize + 1) }, "bytes of others")
    }
  }
  // No rank leaves the barrier before the last one came; long waits included.
  let window = try SharedWindow(byteCount: 64, communicator: c)
  let clock = window.parts[0].assumingMemoryBound(to: Int.self)
  for microseconds in [0, 100, 3000, 100_000] {
    if c.rank == c.worldSize - 1 {
      usleep(UInt32(microseconds))
      clock[0] = microseconds + 1
    }
    try window.barrier()
    try expectEqual(clock[0], microseconds + 1, "what the last rank wrote before the barrier")
    try window.barrier()
  }
}

func checkWindowRoom(_ c: Communicator) throws {
  try expectEqual(try SharedWindow.fits(1 << 20, c), true, "room for 1 MB")
  // One rank alone wants too much.
  try expectEqual(
    try SharedWindow.fits(c.rank == c.worldSize - 1 ? 1 << 50 : 0, c), false, "room for 1 PB")
}

/// To be run where /dev/shm is small: messages do it, and say so.
func checkNoWindowRoom(_ c: Communicator) throws {
  let reduction = try TreeReduction(
    communicator: c, shardCount: c.worldSize, elementCount: 8 << 20)
  try expectEqual(reduction.path, .messages, "path")
  try expect(reduction.note?.contains("/dev/shm") ?? false, "note: \(reduction.note ?? "none")")
  for arena in reduction.arenas { arena.pointer(Float.self)[77] = 2 }
  try expectEqual(try reduction.allreduceSum()[77], Float(2 * c.worldSize), "sum")
}

/// Sums by window one after another, with nothing else between that would keep the ranks in step,
/// against those by messages, bit by bit: ranks come late and leave late at random, and write over
/// their arenas as soon as they may.
func checkRaces(_ c: Communicator, shardCount: Int) throws {
  let own = ShardRange.of(rank: c.rank, worldSize: c.worldSize, shardCount: shardCount)
  for (elementCount, rounds) in [
    (1, 200), (15, 200), (16, 200), (17, 200), (4097, 200), (100_003, 20),
  ] {
    func fill(_ arenas: [Tensor], _ round: Int) {
      for (arena, shard) in zip(arenas, own) {
        // A cheap generator, as there are many numbers: a 24-bit mantissa around 1, either sign.
        var state = UInt32(truncatingIfNeeded: (round * 1000 + shard) &* 0x9E37_79B1 | 1)
        let floats = arena.pointer(Float.self)
        for i in 0..<elementCount {
          state = state &* 1_664_525 &+ 1_013_904_223
          floats[i] = Float(Int32(bitPattern: state) >> 7) * 0x1p-22
        }
      }
    }
    let messages = try TreeReduction(
      communicator: c, shardCount: shardCount, elementCount: elementCount, path: .messages)
    let expected = try (0..<rounds).map { round -> [Float] in
      fill(messages.arenas, round)
      return Array(UnsafeBufferPointer(start: try messages.allreduceSum(), count: elementCount))
    }
    let window = try TreeReduction(
      communicator: c, shardCount: shardCount, elementCount: elementCount, path: .window)
    let random = CountedRandom(seed: 7, purpose: "delays", c.rank, elementCount)
    func delay(_ index: Int) {
      // Three times in four none; else up to 300 us.
      let draw = random.uniform(index)
      if draw < 0.25 { usleep(UInt32(draw * 1200)) }
    }
    for round in 0..<rounds {
      fill(window.arenas, round)
      delay(2 * round)
      let sum = Array(UnsafeBufferPointer(start: try window.allreduceSum(), count: elementCount))
      for arena in window.arenas {
        arena.pointer(Float.self).update(repeating: .nan, count: elementCount)
      }
      delay(2 * round + 1)
      for i in 0..<elementCount {
        try expect(
          sum[i].bitPattern == expected[round][i].bitPattern,
          "\(shardCount) shards, element \(i) of \(elementCount), round \(round): got \(sum[i]), "
            + "expected \(expected[round][i])")
      }
    }
  }
}

/// The last rank fails after `reductions`, while the others wait for it in the next one.
func leave(_ c: Communicator, after reductions: Int) throws {
  try reduce(c, reductions)
  if c.rank == c.worldSize - 1 {
    usleep(300_000)
    throw Failure(.badData, "this rank leaves")
  }
  try reduce(c, 1)
}

/// As `leave`, by a signal that cannot be caught.
func die(_ c: Communicator, after reductions: Int) throws {
  try reduce(c, reductions)
  if c.rank == c.worldSize - 1 {
    usleep(300_000)
    kill(getpid(), SIGKILL)
  }
  try reduce(c, 1)
}

private let elementCount = 1000
/// Made once: making one is collective, and the rank that leaves would be missed there.
nonisolated(unsafe) private var made: TreeReduction?

private func reduce(_ c: Communicator, _ times: Int) throws {
  let reduction =
    try made
    ?? TreeReduction(
      communicator: c, shardCount: c.worldSize, elementCount: elementCount, path: .window)
  made = reduction
  for time in 0..<times {
    let arena = reduction.arenas[0].pointer(Float.self)
    arena.update(repeating: Float(time), count: elementCount)
    try expectEqual(
      try reduction.allreduceSum()[elementCount - 1], Float(time * c.worldSize), "sum")
  }
}
