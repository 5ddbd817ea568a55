import Datasets
import Tensors
import TestSupport
import Testing

struct StandardizationTests {
  private func set(_ kind: Standardization.Kind, target: Bool = false) -> TrainingData {
    var draws = Draws(case: 5)
    let inputs = draws.floats(37 * 3).map { $0 * 4 + 1000 }
    let targets = draws.floats(37)
    return TrainingData(
      name: "numbers", hasTestSource: false, standardization: kind, standardizesTarget: target
    ) { _ in
      ArraySource(
        name: "numbers", inputs: inputs, inputShape: [3], targets: .numbers(targets),
        targetShape: [1])
    }
  }

  private func statistics(_ set: TrainingData, shardCount: Int) throws -> DataStandardization {
    let store = try set.load(.train, shards: 0..<shardCount, shardCount: shardCount)
    return set.standardization((0..<shardCount).map { set.statistics(store, shard: $0) })
  }

  /// All samples as the network sees them.
  private func batch(_ set: TrainingData, _ found: DataStandardization) throws -> Batch {
    var format = set.format
    format.standardize(found)
    return try set.reader(.train).read(37, format)
  }

  /// The textbook's two passes, in double.
  private func moments(_ values: [Double]) -> (mean: Double, deviation: Double) {
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, (squares / Double(values.count)).squareRoot())
  }

  @Test(arguments: [1, 2, 5, 37, 50]) func partsOfAnySizeJoinToTheWholesMoments(shards: Int) throws
  {
    let set = set(.feature)
    let raw = try set.reader(.train).read(37, set.format).inputs.only.values(Float.self)
    let found = try statistics(set, shardCount: shards)
    for feature in 0..<3 {
      let (mean, deviation) = moments((0..<37).map { Double(raw[$0 * 3 + feature]) })
      // Rounded to float32 once.
      #expect(abs(Double(found.input.mean[feature]) - mean) <= mean * 1e-7)
      #expect(abs(Double(found.input.deviation[feature]) - deviation) <= deviation * 2e-7)
    }
    #expect(found.target == nil)
  }

  @Test func standardizedSamplesHaveMeanZeroAndDeviationOne() throws {
    for kind in [Standardization.Kind.feature, .all] {
      let set = set(kind, target: true)
      let batch = try batch(set, try statistics(set, shardCount: 4))
      // Values near 1000 have an absolute precision of 6e-5, of a deviation of some 2.
      let (mean, deviation) = moments(batch.inputs.only.values(Float.self).map(Double.init))
      #expect(abs(mean) < 1e-4 && abs(deviation - 1) < 1e-4)
      let target = moments(batch.targets.only.values(Float.self).map(Double.init))
      #expect(abs(target.mean) < 1e-6 && abs(target.deviation - 1) < 1e-6)
    }
  }

  @Test func centeringLeavesTheDeviation() throws {
    let set = set(.center)
    let found = try statistics(set, shardCount: 2)
    #expect(found.input.deviation == [1, 1, 1])
    let batch = try batch(set, found)
    let (mean, deviation) = moments(batch.inputs.only.values(Float.self).map(Double.init))
    #expect(abs(mean) < 1e-4 && deviation > 1.5)
  }

  @Test func undoGivesBackWhatWasStandardized() throws {
    let part = Standardization(mean: [3, -2], deviation: [2, 0.5])
    var values: [Float] = [1, 0, -1, 4]
    part.undo(&values, count: 4)
    #expect(values == [5, -2, 1, 0])
  }

  @Test func aFeatureThatNeverChangesBecomesZero() throws {
    let set = TrainingData(name: "constant", hasTestSource: false, standardization: .feature) { _ in
      ArraySource(
        name: "constant", inputs: [7, 7, 7], inputShape: [1], targets: .numbers([0, 0, 0]),
        targetShape: [1])
    }
    let store = try set.load(.train, shards: 0..<1, shardCount: 1)
    var format = set.format
    format.standardize(set.standardization([set.statistics(store, shard: 0)]))
    #expect(try set.reader(.train).read(3, format).inputs.only.values(Float.self) == [0, 0, 0])
  }
}
