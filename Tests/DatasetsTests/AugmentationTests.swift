import Datasets
import System
import TestSupport
import Testing

struct AugmentationTests {
  private static let (height, width) = (7, 5)
  private static let pixels = (0..<12 * 35).map { Float($0 % 35 + 1) }

  private func set(_ augmentation: Augmentation, target: TargetForm = .own, corruption: Double = 0)
    -> TrainingData
  {
    TrainingData(
      name: "images", hasTestSource: false,
      format: SampleFormat(
        target: target, augmentation: augmentation, corruption: corruption, seed: 3)
    ) { _ in
      ArraySource(
        name: "images", inputs: AugmentationTests.pixels, inputShape: [1, 7, 5],
        targets: .classes([Int64](repeating: 0, count: 12), count: 1), targetShape: [])
    }
  }

  /// Every sample's pixels in an epoch, in the split's order, from S shards.
  private func samples(_ set: TrainingData, epoch: Int?, shards: Int = 1) throws -> [[Float]] {
    let store = try set.load(.train, shards: 0..<shards, shardCount: shards)
    var all = [[Float]](repeating: [], count: store.sampleCount)
    for shard in 0..<shards {
      for local in 0..<store.localCount(shard) {
        let batch = [Int32(local)].withUnsafeBufferPointer {
          set.format.batch(store, shard: shard, local: $0, epoch: epoch)
        }
        all[store.sampleIndex(shard: shard, local: local)] = batch.inputs.only.values(Float.self)
      }
    }
    return all
  }

  @Test func aSampleChangesWithTheEpochAndNotWithTheShards() throws {
    let set = set(Augmentation(shift: 2, rotate: 20, flip: true, noise: 0.1), corruption: 0.2)
    let first = try samples(set, epoch: 1)
    #expect(try samples(set, epoch: 1, shards: 5) == first)
    let second = try samples(set, epoch: 2)
    #expect(zip(first, second).allSatisfy { $0 != $1 })
    #expect(Set(first).count == 12)
  }

  @Test func evaluationAugmentsNothing() throws {
    let plain = try samples(set(Augmentation()), epoch: nil)
    let changed = set(Augmentation(shift: 2, rotate: 20, flip: true, noise: 0.1))
    #expect(try samples(changed, epoch: nil) == plain)
    #expect(plain.joined().map { $0 } == AugmentationTests.pixels)
    #expect(try samples(changed, epoch: 1) != plain)
  }

  /// By the definition: pixel (y, x) of the result is (y - dy, x - dx) of the original, 0 outside.
  @Test func aShiftIsOneOfTheWholePixelShifts() throws {
    let original = Array(AugmentationTests.pixels[..<35])
    func shifted(_ dy: Int, _ dx: Int) -> [Float] {
      (0..<35).map { (i: Int) -> Float in
        let (y, x) = (i / 5 - dy, i % 5 - dx)
        return (0..<7).contains(y) && (0..<5).contains(x) ? original[y * 5 + x] : 0
      }
    }
    var allowed: [[Float]] = []
    for dy in -2...2 { for dx in -2...2 { allowed.append(shifted(dy, dx)) } }
    var seen = Set<Int>()
    for epoch in 1...40 {
      for sample in try samples(set(Augmentation(shift: 2)), epoch: epoch) {
        let index = try #require(allowed.firstIndex(of: sample))
        seen.insert(index)
      }
    }
    #expect(seen.count == 25)  // 480 draws of 25: one is missed once in 10^7
  }

  @Test func aFlipExchangesLeftAndRightOfAboutHalf() throws {
    let original = Array(AugmentationTests.pixels[..<35])
    let mirrored = (0..<35).map { (i: Int) -> Float in original[i / 5 * 5 + 4 - i % 5] }
    var flips = 0
    for epoch in 1...40 {
      for sample in try samples(set(Augmentation(flip: true)), epoch: epoch) {
        #expect(sample == original || sample == mirrored)
        if sample == mirrored { flips += 1 }
      }
    }
    #expect(abs(flips - 240) < 66)  // 6 standard deviations of 480 coins
  }

  /// A turn about the middle leaves the middle pixel, and the mean of a linear ramp around it.
  @Test func aTurnIsAboutTheMiddle() throws {
    let size = 9
    let ramp = (0..<size * size).map { (i: Int) -> Float in
      let (row, column) = (i / size - 4, i % size - 4)
      return Float(column + 2 * row)
    }
    let set = TrainingData(
      name: "ramp", hasTestSource: false,
      format: SampleFormat(augmentation: Augmentation(rotate: 30), seed: 1)
    ) { _ in
      ArraySource(
        name: "ramp", inputs: ramp, inputShape: [size, size], targets: .numbers([0]),
        targetShape: [1])
    }
    let store = try set.load(.train, shards: 0..<1, shardCount: 1)
    var slopes: [Float] = []
    for epoch in 1...20 {
      let turned = ([0] as [Int32]).withUnsafeBufferPointer {
        set.format.batch(store, shard: 0, local: $0, epoch: epoch).inputs.only.values(Float.self)
      }
      let middle = 4 * size + 4
      #expect(abs(turned[middle]) < 1e-5)
      // Bilinear sampling of a linear ramp is exact: its gradient has only turned.
      let (right, down) = (turned[middle + 1], turned[middle + size])
      #expect(abs((right * right + down * down) - 5) < 1e-4)
      #expect(abs(turned[middle - 1] + right) < 1e-5)
      slopes.append(right)
    }
    #expect(Set(slopes).count == 20)
  }

  @Test func anAutoencodersTargetMovesWithItsInputAndStaysClean() throws {
    let set = set(Augmentation(shift: 2, noise: 0.5), target: .input, corruption: 0.5)
    let store = try set.load(.train, shards: 0..<1, shardCount: 1)
    let rows = (0..<12).map { Int32($0) }
    let batch = rows.withUnsafeBufferPointer {
      set.format.batch(store, shard: 0, local: $0, epoch: 1)
    }
    let clean = try samples(self.set(Augmentation(shift: 2)), epoch: 1)
    #expect(batch.targets.only.values(Float.self) == Array(clean.joined()))
    #expect(batch.inputs.only.values(Float.self) != Array(clean.joined()))
  }

  @Test func corruptionHasTheDeviationAskedFor() throws {
    let set = set(Augmentation(), corruption: 0.5)
    let noisy = try samples(set, epoch: nil).joined()
    let noise = zip(noisy, AugmentationTests.pixels).map { Double($0 - $1) }
    let square = noise.reduce(0) { $0 + $1 * $1 } / Double(noise.count)
    #expect(abs(square - 0.25) < 0.1)  // 420 squares of deviation 0.35: 6 standard errors
    #expect(try samples(set, epoch: nil) == samples(set, epoch: nil))
  }
}
