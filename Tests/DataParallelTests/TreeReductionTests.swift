import CKernels
import TestSupport
import Testing

@Suite struct TreeReductionTests {
  /// Ranks, and shards for them: as many as ranks, a power of two, and neither.
  private static let sizes = (1...4).flatMap { ranks in
    Set([ranks, 4, 7, 8]).sorted().filter { $0 >= ranks }.map { (ranks, $0) }
  }

  @Test(arguments: sizes)
  func sumIsTheTreesBitForBit(ranks: Int, shardCount: Int) throws {
    try expectHolds(["tree", "\(shardCount)"], ranks: ranks)
  }

  @Test(arguments: [2, 3])
  func ranksThatReduceDifferentThingsAreTold(ranks: Int) throws {
    try expectHolds(["tree-disagreement"], ranks: ranks)
  }

  @Test(arguments: 0...130)
  func additionsReachEveryElementAndNoOther(count: Int) {
    let a = (0...count).map { 0.1 * Float($0) }
    let b = (0...count).map { 1 / Float($0 + 1) }
    let sum = zip(a, b).map { $0 + $1 }

    var into = a
    nd_add_into(&into, b, count)
    #expect(into == sum.dropLast() + a.suffix(1))

    var out = [Float](repeating: 7, count: count + 1)
    nd_add(&out, a, b, count)
    #expect(out == sum.dropLast() + [7])

    // In place of either.
    var left = a
    left.withUnsafeMutableBufferPointer { nd_add($0.baseAddress, $0.baseAddress, b, count) }
    #expect(left == into)
    var right = b
    right.withUnsafeMutableBufferPointer { nd_add($0.baseAddress, a, $0.baseAddress, count) }
    #expect(right == sum.dropLast() + b.suffix(1))
  }
}
