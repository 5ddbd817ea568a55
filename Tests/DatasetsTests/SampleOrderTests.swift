import Datasets
import Tensors
import Testing

struct SampleOrderTests {
  /// The cases that break off-by-ones, and random ones.
  static let cases: [(n: Int, b: Int, s: Int)] = {
    var cases = [
      (1, 1, 1), (1, 5, 3), (7, 100, 1), (3, 2, 10), (5, 64, 8), (97, 13, 7), (101, 1, 11),
      (64, 16, 4), (100, 33, 1), (60, 60, 60), (13, 13, 2), (1000, 999, 3),
    ]
    let random = CountedRandom(seed: 7, purpose: "test cases")
    for i in 0..<200 {
      let words = random.block(UInt64(i))
      cases.append((1 + Int(words[0] % 300), 1 + Int(words[1] % 80), 1 + Int(words[2] % 20)))
    }
    return cases
  }()

  /// The file's indices of every batch of an epoch, each in order of position, put together from
  /// the shards as ranks would.
  private func batches(_ order: SampleOrder, epoch: Int) -> [[Int]] {
    let shards = (0..<order.shardCount).map { order.localSamples(epoch: epoch, shard: $0) }
    return (0..<order.stepsPerEpoch).map { t in
      var byPosition = [Int](repeating: -1, count: order.batchCount(t))
      let first = order.positions(ofBatch: t).lowerBound
      for shard in shards {
        let range = shard.slice(batch: t)
        shard.withSamples(ofBatch: t) { locals in
          #expect(Array(locals) == Array(shard.locals[range]))
          for (k, local) in zip(range, locals) {
            let position = k * order.shardCount + shard.shard
            #expect(byPosition[position - first] == -1)
            byPosition[position - first] = order.sampleIndex(shard: shard.shard, local: Int(local))
          }
        }
      }
      return byPosition
    }
  }

  @Test(arguments: [true, false])
  func anotherEpochsOrderIsTheOneMadeAnew(shuffled: Bool) {
    for (n, b, s) in Self.cases {
      let order = SampleOrder(
        sampleCount: n, shardCount: s, batchSize: b, seed: 3, shuffled: shuffled)
      let (next, anew) = (
        order.localSamples(epoch: 1, shard: s - 1).ofEpoch(5),
        order.localSamples(epoch: 5, shard: s - 1)
      )
      #expect(next.locals == anew.locals && next.epoch == 5 && next.shard == s - 1)
    }
  }

  @Test(arguments: [true, false])
  func everySampleIsUsedExactlyOnceAnEpoch(shuffled: Bool) {
    for (n, b, s) in Self.cases {
      let order = SampleOrder(
        sampleCount: n, shardCount: s, batchSize: b, seed: 3, shuffled: shuffled)
      let batches = batches(order, epoch: 2)
      let used = batches.flatMap { $0 }
      #expect(used.sorted() == Array(0..<n), "N \(n) B \(b) S \(s)")
      #expect(batches.dropLast().allSatisfy { $0.count == b }, "N \(n) B \(b) S \(s)")
      #expect(batches.count == (n + b - 1) / b, "N \(n) B \(b) S \(s)")
      if !shuffled { #expect(used == Array(0..<n), "N \(n) B \(b) S \(s)") }
    }
  }

  @Test func positionsFollowTheDesignsFormula() {
    for (n, b, s) in Self.cases {
      let order = SampleOrder(sampleCount: n, shardCount: s, batchSize: b, seed: 5, shuffled: true)
      let perms = (0..<s).map { shard in
        CountedRandom(seed: 5, purpose: "permutation", 4, shard).permutation(
          (0..<n).count { $0 % s == shard })
      }
      let expected = (0..<n).map { g in Int(perms[g % s][g / s]) * s + g % s }
      #expect(batches(order, epoch: 4).flatMap { $0 } == expected, "N \(n) B \(b) S \(s)")
    }
  }

  @Test func shardsHoldTheSamplesDealtToThem() {
    for (n, b, s) in Self.cases {
      let order = SampleOrder(sampleCount: n, shardCount: s, batchSize: b, seed: 1, shuffled: false)
      for shard in 0..<s {
        let own = (0..<n).filter { $0 % s == shard }
        #expect(order.localCount(shard) == own.count, "N \(n) S \(s) shard \(shard)")
        let indices = own.indices.map { order.sampleIndex(shard: shard, local: $0) }
        #expect(indices == own, "N \(n) S \(s) shard \(shard)")
      }
    }
  }

  /// By hand: N = 10, B = 4, S = 3. Batch 1 has positions 4 5 6 7; shard 1 has 4 and 7, its second
  /// and third.
  @Test func batchOneOfTenSamplesOverThreeShards() {
    let order = SampleOrder(sampleCount: 10, shardCount: 3, batchSize: 4, seed: 0, shuffled: false)
    #expect(order.stepsPerEpoch == 3)
    #expect(order.positions(ofBatch: 1) == 4..<8)
    #expect(order.positions(ofBatch: 2) == 8..<10)
    #expect(order.batchCount(2) == 2)
    #expect(order.localSamples(epoch: 1, shard: 0).slice(batch: 1) == 2..<3)
    #expect(order.localSamples(epoch: 1, shard: 1).slice(batch: 1) == 1..<3)
    #expect(order.localSamples(epoch: 1, shard: 2).slice(batch: 1) == 1..<2)
    #expect(order.localSamples(epoch: 1, shard: 1).slice(batch: 2) == 3..<3)
  }

  @Test func epochsShardsAndSeedsShuffleDifferently() {
    func locals(_ seed: UInt64, _ epoch: Int, _ shard: Int) -> [Int32] {
      SampleOrder(sampleCount: 200, shardCount: 2, batchSize: 8, seed: seed, shuffled: true)
        .localSamples(epoch: epoch, shard: shard).locals
    }
    let orders = [locals(1, 1, 0), locals(1, 2, 0), locals(1, 1, 1), locals(2, 1, 0)]
    #expect(Set(orders).count == 4)
    #expect(locals(1, 1, 0) == orders[0])
  }
}
