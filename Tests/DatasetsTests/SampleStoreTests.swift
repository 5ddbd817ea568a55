import CKernels
import Datasets
import System
import Tensors
import TestSupport
import Testing

/// All of two IDX files as one split.
private func loaded(
  _ images: String, _ labels: String, shards: Range<Int>, shardCount: Int, classCount: Int
) throws -> SampleStore {
  let source = try ImageStream(images: images, labels: labels, classCount: classCount)
  return try SampleStore(
    source, .init(indices: nil, of: source.sampleCount), shards: shards, shardCount: shardCount)
}

struct SampleStoreTests {
  let folder = TemporaryFolder()

  /// Writes N images of 5 x 3 and labels 0 ... 9; returns their paths and bytes.
  private func make(
    _ n: Int, zipped: Bool = false
  ) -> (images: String, labels: String, pixels: [UInt8], classes: [UInt8]) {
    let pixels = noise(n * 15, seed: UInt64(n))
    let classes = noise(n, seed: 99).map { $0 % 10 }
    let images = idx([n, 5, 3], pixels)
    let labels = idx([n], classes)
    return (
      folder.write("images", zipped ? gzipped(images) : images),
      folder.write("labels", zipped ? gzipped(labels) : labels), pixels, classes
    )
  }

  /// The shard's samples `local` by gather.
  private func batch(
    _ set: SampleStore, _ shard: Int, _ local: [Int32], _ scale: PixelScale = .raw
  ) -> (images: [Float], labels: [Int64]) {
    var images = [Float](repeating: -1, count: local.count * set.inputShape.reduce(1, *))
    var labels = [Int64](repeating: -1, count: local.count)
    images.withUnsafeMutableBufferPointer { images in
      labels.withUnsafeMutableBufferPointer { labels in
        local.withUnsafeBufferPointer { local in
          set.gatherInput(shard: shard, local: local, scale: scale, into: images.baseAddress!)
          set.gatherTarget(shard: shard, local: local, into: labels.baseAddress!)
        }
      }
    }
    return (images, labels)
  }

  @Test(arguments: [1, 3, 4, 7], [false, true])
  func shardsHoldWhatAWholeLoadWouldGiveThem(shardCount: Int, zipped: Bool) throws {
    let n = 53
    let (images, labels, pixels, classes) = make(n, zipped: zipped)
    for lower in 0..<shardCount {
      for upper in lower...shardCount {
        let set = try loaded(
          images, labels, shards: lower..<upper, shardCount: shardCount, classCount: 10)
        #expect(set.inputShape == [1, 5, 3])
        #expect(set.sampleCount == n)
        for shard in lower..<upper {
          let own = (0..<n).filter { $0 % shardCount == shard }
          #expect(set.localCount(shard) == own.count)
          let got = batch(set, shard, own.indices.map { Int32($0) })
          let expected = own.flatMap { pixels[$0 * 15..<$0 * 15 + 15] }.map { Float($0) }
          #expect(got.images == expected)
          #expect(got.labels == own.map { Int64(classes[$0]) })
        }
      }
    }
  }

  @Test func batchesInFileOrderAreTheFile() throws {
    let (images, labels, pixels, classes) = make(23)
    let order = SampleOrder(sampleCount: 23, shardCount: 4, batchSize: 6, seed: 0, shuffled: false)
    let set = try loaded(images, labels, shards: 0..<4, shardCount: 4, classCount: 10)
    for t in 0..<order.stepsPerEpoch {
      for shard in 0..<4 {
        let local = order.localSamples(epoch: 1, shard: shard).withSamples(ofBatch: t) { Array($0) }
        if local.isEmpty { continue }
        let positions = order.positions(ofBatch: t).filter { $0 % 4 == shard }
        let got = batch(set, shard, local)
        #expect(got.labels == positions.map { Int64(classes[$0]) })
        let expected = positions.flatMap { pixels[$0 * 15..<$0 * 15 + 15] }.map { Float($0) }
        #expect(got.images == expected)
      }
    }
  }

  @Test(arguments: [1, 3]) func aSelectionIsTheSplitWhateverItsOrderAndRepeats(shardCount: Int)
    throws
  {
    let (images, labels, pixels, classes) = make(9)
    let selection: [Int32] = [7, 2, 2, 0, 8, 2, 7, 3]
    let set = try SampleStore(
      ImageStream(images: images, labels: labels, classCount: 10),
      .init(indices: selection, of: 9), shards: 0..<shardCount, shardCount: shardCount)
    #expect(set.sampleCount == 8)
    for shard in 0..<shardCount {
      for local in 0..<set.localCount(shard) {
        let place = set.sampleIndex(shard: shard, local: local)
        #expect(place == local * shardCount + shard)
        let sample = Int(selection[place])
        let got = batch(set, shard, [Int32(local)])
        #expect(got.labels == [Int64(classes[sample])])
        #expect(got.images == pixels[sample * 15..<sample * 15 + 15].map { Float($0) })
      }
    }
  }

  @Test func numbersAndTheirTargetsAreKeptAsTheyAre() throws {
    let inputs = (0..<12).map { Float($0) / 7 }
    let source = ArraySource(
      name: "numbers", inputs: inputs, inputShape: [3], targets: .numbers([1, -2, 3, -4]),
      targetShape: [1])
    let set = try SampleStore(source, .init(indices: nil, of: 4), shards: 1..<2, shardCount: 2)
    var values = [Float](repeating: 0, count: 6)
    var targets = [Float](repeating: 0, count: 2)
    ([1, 0] as [Int32]).withUnsafeBufferPointer {
      set.gatherInput(shard: 1, local: $0, scale: .unit, into: &values)
      set.gatherTarget(shard: 1, local: $0, into: &targets)
    }
    #expect(values == Array(inputs[9...]) + Array(inputs[3..<6]))
    #expect(targets == [-4, -2])
  }

  @Test func moreShardsThanSamplesLeavesTheLastOnesEmpty() throws {
    let (images, labels, _, classes) = make(3)
    let set = try loaded(images, labels, shards: 2..<5, shardCount: 5, classCount: 10)
    #expect((2..<5).map(set.localCount) == [1, 0, 0])
    #expect(batch(set, 2, [0]).labels == [Int64(classes[2])])
    #expect(batch(set, 4, []).labels == [])
  }

  @Test func labelOutOfRangeIsNamedEvenInAnotherShard() {
    let (images, _, _, classes) = make(20)
    var bad = classes
    bad[17] = 10
    let plain = folder.write("labels", idx([20], bad))
    expectFailure(
      .badData, "\(plain): sample 17 (byte 25) has the label 10; allowed are 0 ... 9"
    ) {
      _ = try loaded(images, plain, shards: 0..<1, shardCount: 4, classCount: 10)
    }
    let zipped = folder.write("labels.gz", gzipped(idx([20], bad)))
    expectFailure(.badData, "sample 17 (byte 25 of the uncompressed data) has the label 10") {
      _ = try loaded(images, zipped, shards: 0..<1, shardCount: 4, classCount: 10)
    }
  }

  @Test func countsThatDisagreeNameBothFiles() {
    let images = make(20).images
    let labels = folder.write("labels", idx([19], noise(19).map { $0 % 10 }))
    expectFailure(.badData, "\(images) declares 20 images", "\(labels) declares 19 labels") {
      _ = try loaded(images, labels, shards: 0..<1, shardCount: 1, classCount: 10)
    }
  }

  @Test func exchangedFilesAreRefused() {
    let (images, labels, _, _) = make(20)
    expectFailure(.badData, "\(images) declares 3 axes, where labels have 1") {
      _ = try loaded(labels, images, shards: 0..<1, shardCount: 1, classCount: 10)
    }
    expectFailure(.badData, "\(labels) declares 1 axis, where images have 2 to 4") {
      _ = try loaded(labels, labels, shards: 0..<1, shardCount: 1, classCount: 10)
    }
  }

  @Test func damageAfterTheLastOwnSampleIsNoticed() {
    let (images, labels, pixels, _) = make(20)
    let cut = folder.write("cut.gz", gzipped(idx([20, 5, 3], Array(pixels.dropLast()))))
    expectFailure(.badData, "\(cut) declares 20 x 5 x 3", "it ends at byte 315") {
      _ = try loaded(cut, labels, shards: 0..<1, shardCount: 4, classCount: 10)
    }
    var bad = gzipped(idx([20], [UInt8](repeating: 1, count: 20)))
    bad[bad.count - 8] ^= 1
    let sum = folder.write("sum.gz", bad)
    expectFailure(.badData, sum, "incorrect data check") {
      _ = try loaded(images, sum, shards: 0..<1, shardCount: 4, classCount: 10)
    }
  }

  @Test func memoryIsTheOwnSamplesAndTwoMegabytes() async {
    let n = 40_000
    let piece = noise(1 << 16)
    let pixels = (0..<n * 784).map { piece[$0 & 0xffff] }
    let images = folder.write("images.gz", gzipped(idx([n, 784], pixels)))
    let labels = folder.write("labels", idx([n], Array(repeating: 3, count: n)))
    await #expect(processExitsWith: .success) {
      [images = images as String, labels = labels as String, n = n as Int] in
      let before = peakMemoryBytes()
      let set = try loaded(images, labels, shards: 1..<3, shardCount: 10, classCount: 10)
      // The pixels, the label, and the index while loading.
      let own = (set.localCount(1) + set.localCount(2)) * (784 + 8 + 8)
      #expect(own == n / 5 * 800)
      #expect(peakMemoryBytes() - before < own + 2_000_000)
    }
  }

  @Test func foreignShardsAndSamplesTrap() async {
    let images = folder.write("images", idx([20, 2], noise(40)))
    let labels = folder.write("labels", idx([20], Array(repeating: 0, count: 20)))
    for (shard, local, message) in [
      (0, 0, "gather: shard 0 is not among the loaded 1..<2"),
      (1, 10, "gather: no local sample 10 in shard 1, which has 10"),
      (1, -1, "gather: no local sample -1 in shard 1, which has 10"),
    ] {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        [
          shard = shard as Int, local = local as Int, images = images as String,
          labels = labels as String
        ] in
        let set = try loaded(images, labels, shards: 1..<2, shardCount: 2, classCount: 1)
        var pixels: [Float] = [0, 0]
        [Int32(local)].withUnsafeBufferPointer {
          set.gatherInput(shard: shard, local: $0, scale: .raw, into: &pixels)
        }
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(text.contains(message))
    }
  }
}

struct GatherTests {
  /// Every pixel value, at every place of a vector and in its remainder.
  @Test(arguments: [1, 3, 16, 31, 256, 784])
  func everyPixelValueIsDividedExactly(rowLength: Int) {
    let rowCount = 256
    let source = (0..<rowCount * rowLength).map {
      UInt8(truncatingIfNeeded: $0 / rowLength + $0 % rowLength)
    }
    let rows = CountedRandom(seed: 1, purpose: "rows").permutation(rowCount) + [3, 3, 0]
    for unit in [true, false] {
      var got = [Float](repeating: -1, count: rows.count * rowLength)
      nd_gather_u8(&got, source, rows, rows.count, rowLength, unit ? 1 : 0)
      for (r, row) in rows.enumerated() {
        for i in 0..<rowLength {
          let pixel = Float(source[Int(row) * rowLength + i])
          let expected = unit ? pixel / 255 : pixel
          if got[r * rowLength + i].bitPattern != expected.bitPattern {
            Issue.record("row \(r), column \(i): \(got[r * rowLength + i]), not \(expected)")
            return
          }
        }
      }
    }
  }
}

private let fashionMNIST = try? ImageFolder.locate(
  "/usr/share/datasets/fashion-mnist", dataset: "fashion-mnist")

/// The real thing, from Debian's dataset-fashion-mnist.
struct FashionMNISTTests {
  @Test(.enabled(if: fashionMNIST != nil))
  func countsAndShapesAreThePublishedOnes() throws {
    let files = try #require(fashionMNIST)
    for (images, labels, count) in [
      (files.trainImages, files.trainLabels, 60000), (files.testImages, files.testLabels, 10000),
    ] {
      let set = try loaded(images, labels, shards: 0..<1, shardCount: 1, classCount: 10)
      #expect(set.sampleCount == count)
      #expect(set.inputShape == [1, 28, 28])
      var perClass = [Int](repeating: 0, count: 10)
      var pixels = [Float](repeating: 0, count: 784)
      var label: [Int64] = [0]
      for i in 0..<count {
        [Int32(i)].withUnsafeBufferPointer {
          set.gatherInput(shard: 0, local: $0, scale: .unit, into: &pixels)
          set.gatherTarget(shard: 0, local: $0, into: &label)
        }
        perClass[Int(label[0])] += 1
      }
      #expect(perClass == Array(repeating: count / 10, count: 10))
    }
  }
}
