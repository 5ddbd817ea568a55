import DataParallel
import Testing

/// What hosts send each other, carried out on expressions in place of floats.
@Suite struct WireScheduleTests {
  /// The same sum whichever operand is left: addition of floats commutes.
  private func sum(_ x: String, _ y: String) -> String {
    func first(_ text: String) -> Int { Int(text.drop { $0 == "(" }.prefix { $0.isNumber })! }
    return first(x) < first(y) ? "(\(x)+\(y))" : "(\(y)+\(x))"
  }

  /// The sum that each host has in the end, by element; and the elements each sent.
  private func run(
    owners: [Int], hostCount: Int, bucket: Range<Int>, direct: Bool
  ) throws -> (sums: [[String]], sent: [Int], messages: [Int]) {
    let plan = TreePlan(owners: owners, ownerCount: hostCount)
    let schedules = (0..<hostCount).map {
      WireSchedule(plan: plan, host: $0, bucket: bucket, direct: direct)
    }
    var memory = [[String]](repeating: [], count: hostCount)
    // By host: partials by leaf, received by number, the sum.
    var partials = (0..<hostCount).map { host in
      Dictionary(
        uniqueKeysWithValues: plan.partials[host].map {
          ($0.leaves.lowerBound, [String](repeating: written($0.leaves), count: bucket.count))
        })
    }
    var received = schedules.map {
      $0.receivedRanges.map { _ in [String](repeating: "?", count: bucket.count) }
    }
    memory = memory.map { _ in [String](repeating: "?", count: bucket.count) }
    func read(_ host: Int, _ place: WireSchedule.Place, _ i: Int) -> String {
      switch place {
      case .partial(let leaf): partials[host][leaf]![i]
      case .received(let number): received[host][number][i]
      case .sum: memory[host][i]
      }
    }
    func write(_ host: Int, _ place: WireSchedule.Place, _ i: Int, _ text: String) {
      switch place {
      case .partial(let leaf): partials[host][leaf]![i] = text
      case .received(let number): received[host][number][i] = text
      case .sum: memory[host][i] = text
      }
    }
    var sent = [Int](repeating: 0, count: hostCount)
    var messages = sent
    #expect(Set(schedules.map(\.rounds.count)).count == 1)
    for round in schedules[0].rounds.indices {
      // All are sent before any arrives: what a host receives never overwrites what it sends.
      var travelling: [[(to: Int, range: Range<Int>, texts: [String])]] = []
      for (host, schedule) in schedules.enumerated() {
        travelling.append(
          schedule.rounds[round].sends.map { send in
            sent[host] += send.range.count
            messages[host] += 1
            return (
              send.host, send.range,
              send.range.map { read(host, send.place, $0 - bucket.lowerBound) }
            )
          })
      }
      for (host, schedule) in schedules.enumerated() {
        for receive in schedule.rounds[round].receives {
          let index = try #require(travelling[receive.host].firstIndex { $0.to == host })
          let message = travelling[receive.host].remove(at: index)
          #expect(message.range == receive.range)
          for (i, text) in zip(receive.range, message.texts) {
            write(host, receive.place, i - bucket.lowerBound, text)
          }
        }
        for add in schedule.rounds[round].adds {
          for i in add.range {
            let place = i - bucket.lowerBound
            write(
              host, add.target, place,
              sum(read(host, add.left, place), read(host, add.right, place)))
          }
        }
      }
      #expect(travelling.allSatisfy { $0.isEmpty }, "messages nobody waits for")
    }
    return (memory, sent, messages)
  }

  /// Hosts with as many shards each, in order, and dealt round robin.
  @Test(arguments: 2...9, [1, 2, 3, 4])
  func everyHostGetsTheTreesSum(hostCount: Int, shardsPerHost: Int) throws {
    let shardCount = hostCount * shardsPerHost
    for owners in [
      (0..<shardCount).map { $0 / shardsPerHost }, (0..<shardCount).map { $0 % hostCount },
    ] {
      for bucket in [0..<1, 100..<117, 64..<400] {
        for direct in [false, true] {
          let (sums, _, _) = try run(
            owners: owners, hostCount: hostCount, bucket: bucket, direct: direct)
          let expected = [String](repeating: written(0..<shardCount), count: bucket.count)
          for sum in sums { #expect(sum == expected, "\(owners) \(bucket) \(direct)") }
        }
      }
    }
  }

  @Test func hostsOfUnlikeSizesGetTheTreesSum() throws {
    for owners in [[0, 0, 0, 1], [0, 1, 1, 1, 1, 2, 2], [1, 0, 0, 1, 1], [0, 0, 1, 2, 2, 2]] {
      let (sums, _, _) = try run(
        owners: owners, hostCount: owners.max()! + 1, bucket: 16..<200, direct: false)
      for sum in sums {
        #expect(sum == [String](repeating: written(0..<owners.count), count: 184))
      }
    }
  }

  /// Rabenseifner's count: 2 (H - 1) / H of the bucket in 2 log2 H messages.
  @Test(arguments: [2, 4, 8, 16])
  func halvingSendsTheLeastInLog2Messages(hostCount: Int) throws {
    let size = 16 * hostCount * 5
    for shardsPerHost in [1, 2] {
      let owners = (0..<hostCount * shardsPerHost).map { $0 / shardsPerHost }
      let (_, sent, messages) = try run(
        owners: owners, hostCount: hostCount, bucket: 0..<size, direct: false)
      #expect(sent.allSatisfy { $0 == 2 * (hostCount - 1) * size / hostCount })
      #expect(messages.allSatisfy { 1 << ($0 / 2) == hostCount })
    }
  }

  /// Three shards a host: the tree's nodes are not the hosts'.
  @Test func wherePartialsAreNoCompleteTreeHalvingIsNotUsed() {
    #expect(TreePlan(owners: [0, 0, 0, 1, 1, 1], ownerCount: 2).completeOrder == nil)
    #expect(TreePlan(owners: [0, 1, 2], ownerCount: 3).completeOrder == nil)
    #expect(TreePlan(owners: [1, 1, 0, 0], ownerCount: 2).completeOrder == [1, 0])
    // 0 ..< 4 and 4 ..< 6 are the two children of the tree over six.
    #expect(TreePlan(owners: [0, 0, 0, 0, 1, 1], ownerCount: 2).completeOrder == [0, 1])
  }
}
