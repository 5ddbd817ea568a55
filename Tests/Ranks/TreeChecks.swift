import Communication
import DataParallel
import System
import Tensors

private let seed: UInt64 = 20_240_607

/// A shard's float at `index`: any rank can compute any shard's. A product, so that all 24 bits of
/// its mantissa are in use and the order of additions shows in the sum.
private func value(_ index: Int, of shard: CountedRandom) -> Float {
  (shard.uniform(2 * index) - 0.5) * shard.uniform(2 * index + 1)
}

/// The nearest bfloat16, ties to even.
private func rounded(_ x: Float) -> Float {
  let below = Float(bitPattern: x.bitPattern & 0xffff_0000)
  let above = Float(bitPattern: (x.bitPattern & 0xffff_0000) + 0x1_0000)
  let (down, up) = (abs(x - below), abs(above - x))
  if down == up { return below.bitPattern >> 16 & 1 == 0 ? below : above }
  return down < up ? below : above
}

/// The sum of the shards' values by the rule itself: a node of n > 1 leaves splits
/// after the largest power of two below n. With `rounding` each leaf and each sum is a bfloat16.
private func treeSum(_ values: ArraySlice<Float>, rounding: Bool) -> Float {
  func place(_ x: Float) -> Float { rounding ? rounded(x) : x }
  if values.count == 1 { return place(values[values.startIndex]) }
  var left = 1
  while 2 * left < values.count { left *= 2 }
  return place(
    treeSum(values.prefix(left), rounding: rounding)
      + treeSum(values.dropFirst(left), rounding: rounding))
}

/// A way for the floats to go.
private struct Way {
  var path: TreeReduction.Path
  var ranksPerHost: Int?
  var direct = false

  /// All that these ranks have. On one host, its ranks are taken for several hosts' in turn.
  static func all(_ c: Communicator, shardCount: Int) -> [Way] {
    var ways = [Way(path: .messages)]
    if c.worldSize > 1 {
      ways += [Way(path: .window), Way(path: .messages, direct: true)]
    }
    if c.worldSize > 2 {
      ways += [
        Way(path: .messages, ranksPerHost: 2), Way(path: .messages, ranksPerHost: 2, direct: true),
      ]
    }
    if c.worldSize > 3 { ways.append(Way(path: .messages, ranksPerHost: 3)) }
    return ways
  }
}

/// allreduceSum over `shardCount` shards against the naive recursion, bit by bit, on every path that
/// these ranks have; some of the elements rounded to bfloat16.
func checkTree(_ c: Communicator, shardCount: Int) throws {
  let own = ShardRange.of(rank: c.rank, worldSize: c.worldSize, shardCount: shardCount)
  // Those of a rank that is alone.
  let threads = ShardThreads(count: 3)
  defer { threads.end() }
  for way in Way.all(c, shardCount: shardCount) {
    for (elementCount, roundedCount) in [
      (1, 0), (15, 15), (16, 1), (1000, 600), (70_001, 66_001),
    ] {
      let reduction = try TreeReduction(
        communicator: c, shardCount: shardCount, elementCount: elementCount,
        roundedCount: roundedCount, path: way.path, ranksPerHost: way.ranksPerHost,
        direct: way.direct)
      for round in 0..<3 {
        let random = (0..<shardCount).map {
          CountedRandom(seed: seed, purpose: "tree check", round, $0)
        }
        // In one round the sum is under way while the arenas are filled, in pieces of any size.
        let begins = round == 1 && reduction.overlaps
        if begins { reduction.begin() }
        for (arena, shard) in zip(reduction.arenas, own) {
          let floats = arena.pointer(Float.self)
          var end = elementCount
          while end > 0 {
            let start = max(end - 20_011, 0)
            for i in start..<end { floats[i] = value(i, of: random[shard]) }
            if begins { reduction.noteFinal(shard: shard, from: start) }
            end = start
          }
        }
        let sum = try reduction.allreduceSum(on: round == 0 ? nil : threads)
        try expect(reduction.sumIsFinite, "\(way): a sum of finite numbers is not finite")
        var orderMatters = false
        for i in stride(from: 0, to: elementCount, by: elementCount > 10_000 ? 7 : 1) {
          let values = random.map { value(i, of: $0) }
          let expected = treeSum(values[...], rounding: i < roundedCount)
          try expect(
            sum[i].bitPattern == expected.bitPattern,
            "seed \(seed), \(way), \(shardCount) shards, element \(i) of "
              + "\(elementCount), \(roundedCount) rounded, round \(round): got \(sum[i]), "
              + "expected \(expected)")
          orderMatters = orderMatters || values.reduce(0, +) != expected
        }
        if elementCount >= 1000 && shardCount >= 4 {
          try expect(orderMatters, "no sum depends on the order of additions: the check is blind")
        }
      }
      // One element of one shard is enough, wherever it is summed.
      for (place, bad) in [(0, Float.nan), (elementCount / 2, .infinity), (elementCount - 1, .nan)]
      {
        for (arena, shard) in zip(reduction.arenas, own) {
          let floats = arena.pointer(Float.self)
          for i in 0..<elementCount { floats[i] = 1 }
          if shard == shardCount - 1 { floats[place] = bad }
        }
        let sum = try reduction.allreduceSum(on: threads)
        try expect(
          !sum[place].isFinite && !reduction.sumIsFinite,
          "\(way): element \(place) of \(elementCount) is not finite, and not noticed")
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
