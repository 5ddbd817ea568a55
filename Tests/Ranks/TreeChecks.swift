import Communication
import DataParallel
import TensorCore

private let seed: UInt64 = 20_240_607

/// A shard's float at `index`: any rank can compute any shard's. A product, so that all 24 bits of
/// its mantissa are in use and the order of additions shows in the sum.
private func value(_ index: Int, of shard: CountedRandom) -> Float {
  (shard.uniform(2 * index) - 0.5) * shard.uniform(2 * index + 1)
}

/// The sum of the shards' values by the rule itself: a node of n > 1 leaves splits
/// after the largest power of two below n.
private func treeSum(_ values: ArraySlice<Float>) -> Float {
  if values.count == 1 { return values[values.startIndex] }
  var left = 1
  while 2 * left < values.count { left *= 2 }
  return treeSum(values.prefix(left)) + treeSum(values.dropFirst(left))
}

/// allreduceSum over `shardCount` shards against the naive recursion, bit by bit, on every path that
/// these ranks have.
func checkTree(_ c: Communicator, shardCount: Int) throws {
  let own = ShardRange.of(rank: c.rank, worldSize: c.worldSize, shardCount: shardCount)
  for path in shardCount > 1 ? [TreeReduction.Path.window, .messages] : [.messages] {
    for elementCount in [1, 15, 16, 1000, 79_513] {
      let reduction = try TreeReduction(
        communicator: c, shardCount: shardCount, elementCount: elementCount, path: path)
      for round in 0..<2 {
        let random = (0..<shardCount).map {
          CountedRandom(seed: seed, purpose: "tree check", round, $0)
        }
        for (arena, shard) in zip(reduction.arenas, own) {
          let floats = arena.pointer(Float.self)
          for i in 0..<elementCount { floats[i] = value(i, of: random[shard]) }
        }
        let sum = try reduction.allreduceSum()
        var orderMatters = false
        for i in 0..<elementCount {
          let values = random.map { value(i, of: $0) }
          let expected = treeSum(values[...])
          try expect(
            sum[i].bitPattern == expected.bitPattern,
            "seed \(seed), \(path.rawValue), \(shardCount) shards, element \(i) of \(elementCount), "
              + "round \(round): got \(sum[i]), expected \(expected)")
          orderMatters = orderMatters || values.reduce(0, +) != expected
        }
        if elementCount >= 1000 && shardCount >= 4 {
          try expect(orderMatters, "no sum depends on the order of additions: the check is blind")
        }
      }
    }
  }
}

/// What the ranks take when nothing is asked for: on one host the window, alone no window.
func checkTreePath(_ c: Communicator) throws {
  let reduction = try TreeReduction(communicator: c, shardCount: c.worldSize, elementCount: 5)
  try expectEqual(reduction.path, c.worldSize > 1 ? .window : .messages, "path")
  try expectEqual(reduction.note, nil, "note")
  try expectEqual(
    try c.allreduceMax(Int64(reduction.arenas[0].pointer(Float.self)[4])), 0, "a new arena")
}

/// Ranks that would reduce different things are told so, both named.
func checkTreeDisagreement(_ c: Communicator) throws {
  let elementCount = c.rank == 0 ? 1000 : 1016
  let failure = try thrown(Failure.self) {
    _ = try TreeReduction(
      communicator: c, shardCount: c.worldSize, elementCount: elementCount)
  }
  try expectEqual(failure.status, .ranksDisagree, "status")
  try expectEqual(
    failure.message,
    "a reduction has 1000 elements and \(c.worldSize) shards on rank 0, "
      + "1016 elements and \(c.worldSize) shards on rank 1", "message")
}
