import DataParallel
import Testing

@Suite struct TreePlanTests {
  /// Does `adds` on expressions instead of numbers.
  private func apply(_ adds: [TreePlan.Add], to buffers: inout [String]) {
    for add in adds { buffers[add.dst] = "(\(buffers[add.dst])+\(buffers[add.src]))" }
  }

  @Test func theRuleByHand() {
    #expect(written(0..<7) == "(((0+1)+(2+3))+((4+5)+6))")
    let plan = TreePlan(shardCount: 7, worldSize: 2)  // ranks own 0 ..< 3 and 3 ..< 7
    #expect(plan.partials.map { $0.map(\.leaves) } == [[0..<2, 2..<3], [3..<4, 4..<7]])
    #expect(plan.partials[1][1].adds.map { [$0.dst, $0.src] } == [[4, 5], [4, 6]])
    #expect(plan.combining.map { [$0.dst, $0.src] } == [[2, 3], [0, 2], [0, 4]])
  }

  @Test(arguments: 1...40)
  func anyNumberOfRanksMakesTheSameSum(shardCount: Int) {
    for worldSize in 1...shardCount {
      let plan = TreePlan(shardCount: shardCount, worldSize: worldSize)
      var buffers = (0..<shardCount).map { "\($0)" }
      for partial in plan.partials.joined() {
        apply(partial.adds, to: &buffers)
        #expect(buffers[partial.leaves.lowerBound] == written(partial.leaves))
      }
      apply(plan.combining, to: &buffers)
      #expect(buffers[0] == written(0..<shardCount), "\(worldSize) ranks")
    }
  }

  /// Again on expressions: only the scratch buffers and the total are written.
  @Test(arguments: 2...40)
  func sumThatLeavesTheLeavesIsTheSameTree(shardCount: Int) {
    var scratch: [Int: String] = [:]
    var total = ""
    func value(_ place: TreePlan.Place) -> String {
      switch place {
      case .leaf(let shard): "\(shard)"
      case .scratch(let index): scratch[index] ?? "nothing"
      case .total: total
      }
    }
    let sums = TreePlan.sums(shardCount: shardCount)
    #expect(sums.count == shardCount - 1)
    for sum in sums {
      let result = "(\(value(sum.left))+\(value(sum.right)))"
      switch sum.target {
      case .leaf: Issue.record("a leaf is written")
      case .scratch(let index): scratch[index] = result
      case .total: total = result
      }
    }
    #expect(total == written(0..<shardCount))
    let log2 = Int.bitWidth - (shardCount - 1).leadingZeroBitCount
    #expect(scratch.keys.allSatisfy { 0 <= $0 && $0 < log2 })
  }

  @Test(arguments: 1...40)
  func partialsTileTheirRanksShards(shardCount: Int) {
    let log2 = Int.bitWidth - shardCount.leadingZeroBitCount
    for worldSize in 1...shardCount {
      let plan = TreePlan(shardCount: shardCount, worldSize: worldSize)
      for (rank, partials) in plan.partials.enumerated() {
        let owned = ShardRange.of(rank: rank, worldSize: worldSize, shardCount: shardCount)
        #expect(partials.flatMap(\.leaves) == Array(owned))
        #expect(partials.count <= 2 * log2)
        for partial in partials {
          #expect(partial.adds.allSatisfy { partial.leaves.contains($0.dst) })
          #expect(partial.adds.allSatisfy { partial.leaves.contains($0.src) })
        }
      }
      let first = Set(plan.partials.joined().map(\.leaves.lowerBound))
      #expect(plan.combining.allSatisfy { first.contains($0.dst) && first.contains($0.src) })
    }
  }

  @Test(arguments: 1...40)
  func shardRangesAreContiguousEvenAndNeverEmpty(shardCount: Int) {
    for worldSize in 1...shardCount {
      let ranges = (0..<worldSize).map {
        ShardRange.of(rank: $0, worldSize: worldSize, shardCount: shardCount)
      }
      #expect(ranges.flatMap { $0 } == Array(0..<shardCount))
      #expect(
        ranges.allSatisfy {
          [shardCount / worldSize, (shardCount - 1) / worldSize + 1].contains($0.count)
        })
    }
  }
}
