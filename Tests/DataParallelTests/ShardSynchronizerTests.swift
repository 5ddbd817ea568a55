import Autograd
import DataParallel
import Layers
import Tensors
import TestSupport
import Testing

/// Shards of one rank that meet in the middle of a step. (Those of several ranks: SyncBatchNormTests.)
@Suite(.serialized) struct ShardSynchronizerTests {
  /// A synchronizer of `shardCount` shards, whose sum is made in their order.
  static func synchronizer(
    _ shardCount: Int, valueCount: Int, sumsPerStep: Int
  ) -> ShardSynchronizer {
    let arenas = (0..<shardCount).map { _ in Tensor(zeros: [valueCount]) }
    let total = Tensor(zeros: [valueCount])
    return ShardSynchronizer(arenas: arenas, sumsPerStep: sumsPerStep) {
      total.fillWithZeros()
      let sum = total.pointer(Float.self)
      for arena in arenas {
        for i in 0..<valueCount { sum[i] += arena.pointer(Float.self)[i] }
      }
      return UnsafePointer(sum)
    }
  }

  /// One shard comes to all meetings at once, with nothing, as it has no samples.
  @Test(.timeLimit(.minutes(1))) func everyMeetingGivesAllTheSum() {
    let (shardCount, sumsPerStep) = (4, 5)
    let synchronizer = ShardSynchronizerTests.synchronizer(
      shardCount, valueCount: 3, sumsPerStep: sumsPerStep)
    for step in 0..<100 {
      synchronizer.threads.run(pieces: shardCount) { shard in
        let member = synchronizer.members[shard]
        defer { member.endStep() }
        if shard == step % shardCount { return }
        for meeting in 0..<sumsPerStep {
          // Fewer values than there is room for, at times.
          let values = [Float(shard), Float(meeting), 1].prefix(meeting == 2 ? 1 : 3)
          let expected = [
            Float(6 - step % shardCount), Float(meeting * (shardCount - 1)), Float(shardCount - 1),
          ].prefix(values.count)
          #expect(member.sum(Array(values)) == Array(expected), "step \(step), shard \(shard)")
        }
      }
    }
  }

  /// Nobody is left waiting, and the failure comes out.
  @Test(.timeLimit(.minutes(1))) func failureOfTheSumIsThrownAtTheEndOfTheStep() throws {
    struct Lost: Error {}
    var calls = 0
    let arenas = (0..<3).map { _ in Tensor(zeros: [1]) }
    let synchronizer = ShardSynchronizer(arenas: arenas, sumsPerStep: 4) {
      calls += 1
      if calls == 2 { throw Lost() }
      return UnsafePointer(arenas[0].pointer(Float.self))
    }
    synchronizer.threads.run(pieces: 3) { shard in
      for _ in 0..<4 { _ = synchronizer.members[shard].sum([1]) }
      synchronizer.members[shard].endStep()
    }
    #expect(calls == 2)
    #expect(throws: Lost.self) { try synchronizer.check() }
  }

  @Test(.timeLimit(.minutes(1))) func nothingKeepsTheThreads() {
    weak var watched: ShardThreads?
    do {
      let synchronizer = ShardSynchronizerTests.synchronizer(3, valueCount: 1, sumsPerStep: 1)
      watched = synchronizer.threads
    }
    #expect(watched == nil)
  }

  static let contracts = [
    BrokenContract(
      "a meeting too many", "a shard comes to a meeting more than the 1 of a step"
    ) {
      let owner = synchronizer(1, valueCount: 1, sumsPerStep: 1)
      for _ in 0..<2 { _ = owner.members[0].sum([1]) }
    },
    BrokenContract("a missed meeting", "a shard came to 1 of the 2 meetings of a step") {
      let owner = synchronizer(1, valueCount: 1, sumsPerStep: 2)
      _ = owner.members[0].sum([1])
      owner.members[0].endStep()
    },
    BrokenContract("too many values", "2 values, where 1 are the most") {
      let owner = synchronizer(1, valueCount: 1, sumsPerStep: 2)
      _ = owner.members[0].sum([1, 2])
    },
  ]

  @Test(.timeLimit(.minutes(1)), arguments: contracts)
  func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in ShardSynchronizerTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}

/// Batch norm over shards against batch norm over all their samples at once, which finite differences
/// in double have judged.
@Suite(.serialized) struct SynchronizedBatchNormTests {
  struct Case: Sendable, CustomTestStringConvertible {
    /// By shard.
    let samples: [Int]
    /// The axes behind the samples.
    let shape: [Int]
    /// Of the values; they deviate by some 0.6 from it.
    var middle: Float = 0
    var affine = true
    var testDescription: String { "\(samples) of \(shape) around \(middle), affine \(affine)" }
  }

  static let cases = [
    Case(samples: [6], shape: [3]), Case(samples: [3, 2, 4], shape: [5]),
    Case(samples: [1, 1], shape: [2]), Case(samples: [2, 0, 1, 0], shape: [4, 3, 2]),
    Case(samples: [5, 4, 4, 4], shape: [1, 7], affine: false),
    // Where a variance from a sum of squares, or a mean of float32, would lose all digits.
    Case(samples: [7, 5, 6], shape: [2, 9], middle: 3000),
  ]

  private struct Results {
    var y, dx, dweight, dbias: [Double]
    let mean, variance: [Double]
    let tracked: Int64
  }

  private static func layer(_ c: Case, _ draws: inout Draws) -> BatchNorm1d {
    let layer = BatchNorm1d(c.shape[0], affine: c.affine, isSynchronized: true)
    for parameter in layer.namedParameters {
      parameter.tensor.copyValues(draws.floats(c.shape[0]))
    }
    return layer
  }

  private static func pass(_ layer: BatchNorm1d, _ x: [Float], _ dy: [Float], _ shape: Shape)
    -> Results
  {
    let input = Tensor(x, shape: shape)
    input.requiresGrad = true
    // Images too: their places lie in one axis.
    let flat = shape.count > 3 ? [shape[0], shape[1], shape.dropFirst(2).reduce(1, *)] : shape
    let y = layer(shape.count > 3 ? input.reshaped(flat) : input)
    y.backward(seed: Tensor(dy, shape: flat))
    let core = layer.core
    return Results(
      y: y.asDoubles, dx: input.grad!.asDoubles, dweight: core.weight?.grad?.asDoubles ?? [],
      dbias: core.bias?.grad?.asDoubles ?? [], mean: core.runningMean!.asDoubles,
      variance: core.runningVariance!.asDoubles,
      tracked: core.batchesTracked!.values(Int64.self)[0])
  }

  @Test(.timeLimit(.minutes(1)), arguments: cases)
  func shardsGiveWhatTheWholeBatchGives(_ c: Case) {
    let width = c.shape.reduce(1, *)
    let count = c.samples.reduce(0, +)
    var draws = Draws(case: count)
    let x = draws.floats(count * width).map { $0 + c.middle }
    let dy = draws.floats(count * width)
    let state = draws
    var copy = state
    let whole = SynchronizedBatchNormTests.pass(
      SynchronizedBatchNormTests.layer(c, &copy), x, dy, Shape([count] + c.shape))

    let synchronizer = ShardSynchronizerTests.synchronizer(
      c.samples.count, valueCount: 2 * c.shape[0], sumsPerStep: 3)
    var parts = [Results?](repeating: nil, count: c.samples.count)
    parts.withUnsafeMutableBufferPointer { parts in
      nonisolated(unsafe) let parts = parts
      synchronizer.threads.run(pieces: parts.count) { shard in
        defer { synchronizer.members[shard].endStep() }
        if c.samples[shard] == 0 { return }
        let start = c.samples[..<shard].reduce(0, +) * width
        let range = start..<start + c.samples[shard] * width
        var draws = state
        let layer = SynchronizedBatchNormTests.layer(c, &draws)
        layer.core.synchronizer = synchronizer.members[shard]
        parts[shard] = SynchronizedBatchNormTests.pass(
          layer, Array(x[range]), Array(dy[range]), Shape([c.samples[shard]] + c.shape))
      }
    }
    let all = parts.compactMap { $0 }
    // Float32's roundings (6e-8) of values of up to `middle`, over a deviation of some 0.6, and of
    // sums over a few dozen; the running mean is a 10th of the middle.
    let limit = 1e-5 + 2e-6 * Double(c.middle)
    expectClose(all.flatMap(\.y), whole.y, "y") { _ in limit }
    expectClose(all.flatMap(\.dx), whole.dx, "dx") { _ in limit }
    func summed(_ values: KeyPath<Results, [Double]>) -> [Double] {
      all[0][keyPath: values].indices.map { i in all.reduce(0) { $0 + $1[keyPath: values][i] } }
    }
    expectClose(summed(\.dweight), whole.dweight, "dweight") { _ in limit * 10 }
    expectClose(summed(\.dbias), whole.dbias, "dbias") { _ in limit * 10 }
    for part in all {
      expectClose(part.mean, whole.mean, "running mean") { _ in 1e-6 + 1e-7 * Double(c.middle) }
      expectClose(part.variance, whole.variance, "running variance") { _ in 1e-6 }
      #expect(part.tracked == 1)
      // All shards the same bits.
      #expect(part.mean == all[0].mean && part.variance == all[0].variance)
    }
  }

  /// In evaluation mode nobody meets.
  @Test func evaluationIsAlone() {
    let layer = BatchNorm1d(2, isSynchronized: true)
    let plain = BatchNorm1d(2)
    let synchronizer = ShardSynchronizerTests.synchronizer(2, valueCount: 4, sumsPerStep: 3)
    layer.core.synchronizer = synchronizer.members[0]
    let x = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
    #expect(layer.eval()(x).bits == plain.eval()(x).bits)
    // Without running statistics the batch's own serve in evaluation too.
    let bare = BatchNorm1d(2, tracksStatistics: false, isSynchronized: true)
    bare.core.synchronizer = synchronizer.members[0]
    #expect(bare.eval()(x).bits == BatchNorm1d(2, tracksStatistics: false)(x).bits)
  }
}

extension Tensor {
  fileprivate func copyValues(_ values: [Float]) {
    for (i, value) in values.enumerated() { pointer(Float.self)[i] = value }
  }
}
