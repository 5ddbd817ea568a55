import DataParallel
import Testing

/// How a shard's part of a batch is cut.
@Suite struct MicroBatchesTests {
  private func sizes(_ sampleCount: Int, _ size: Int?) -> [Int] {
    MicroBatches.ranges(of: sampleCount, atMost: size).map(\.count)
  }

  @Test func piecesAreFewAndEven() {
    // [len(p) for p in torch.tensor_split(torch.arange(n), k)] with k = ceil(n / size)
    #expect(sizes(9, 4) == [3, 3, 3])
    #expect(sizes(10, 4) == [4, 3, 3])
    #expect(sizes(8, 4) == [4, 4])
    #expect(sizes(5, 2) == [2, 2, 1])
    #expect(sizes(3, 1) == [1, 1, 1])
    #expect(sizes(3, 8) == [3])
    #expect(sizes(7, nil) == [7])
    #expect(sizes(0, 4) == [] && sizes(0, nil) == [])
  }

  @Test func piecesCoverEverySampleInOrder() {
    for sampleCount in 1...40 {
      for size in 1...41 {
        let ranges = MicroBatches.ranges(of: sampleCount, atMost: size)
        #expect(ranges.flatMap { $0 } == Array(0..<sampleCount))
        #expect(ranges.allSatisfy { (1...size).contains($0.count) })
        #expect(ranges.count == MicroBatches.count(of: sampleCount, atMost: size))
        #expect((ranges.count - 1) * size < sampleCount, "as few as do")
      }
    }
  }
}
