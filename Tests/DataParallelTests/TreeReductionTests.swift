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

  @Test(arguments: [1, 2])
  func ranksOfOneHostTakeTheWindow(ranks: Int) throws {
    try expectHolds(["tree-path"], ranks: ranks)
  }

  /// As many shards as ranks, 16, and a number that the ranks do not divide.
  private static let races = [1, 2, 3, 4, 5, 8].flatMap { ranks in
    Set([max(ranks, 2), 13, 16]).sorted().map { (ranks, $0) }
  }

  /// Many of these have more ranks than there are cores.
  @Test(arguments: races)
  func windowAndMessagesAgreeBitForBitWhoeverIsLate(ranks: Int, shardCount: Int) throws {
    try expectHolds(["window-races", "\(shardCount)"], ranks: ranks)
  }

  @Test(arguments: [2, 5])
  func aRankThatFailsEndsTheJobWhileOthersWaitForIt(ranks: Int) throws {
    let checks = [builtProduct("rankchecks")]
    let left = try mpirun(ranks: ranks, checks + ["leaving-rank", "3"])
    #expect(left.status == 70 && left.stdout.contains("this rank leaves"), "\(left)")
    let killed = try mpirun(ranks: ranks, checks + ["killed-rank", "3"])
    #expect(killed.status == 128 + 9, "\(killed)")
  }

  @Test(.enabled(if: canMountSmallSharedMemory, "needs the right to mount a small /dev/shm"))
  func withoutRoomForAWindowMessagesDoIt() throws {
    let mount = "mount -t tmpfs -o size=32m tmpfs /dev/shm && exec \"$@\""
    let outcome = try run(
      ["unshare", "-m", "sh", "-c", mount, "sh", "mpirun", "--oversubscribe", "-n", "2"]
        + [builtProduct("rankchecks"), "no-window-room"], environment: mpirunAsRoot)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.stdout == "no-window-room: held, worldSize 2\n", "\(outcome)")
  }

  private static let canMountSmallSharedMemory =
    (try? run(["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /dev/shm"]).status)
    == 0

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

  /// In place of both operands and elsewhere, from an offset on, and nothing beside.
  @Test(arguments: 0...130)
  func additionsReachAllTargets(count: Int) {
    let a = (0..<count).map { 0.1 * Float($0) }
    let b = (0..<count).map { 1 / Float($0 + 1) }
    let sum = zip(a, b).map { $0 + $1 }
    let offset = 5
    func placed(_ values: [Float]) -> [Float] {
      [Float](repeating: 7, count: offset) + values + [7]
    }
    for bad in [nil, 0, count / 2, count - 1] where bad.map({ 0..<count ~= $0 }) ?? true {
      for value in [Float.nan, .infinity, -.infinity] {
        var x = placed(a)
        let y = placed(b)
        if let bad { x[offset + bad] = value }
        let memories = [x, y, placed([Float](repeating: 0, count: count))].map { values in
          let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
          _ = memory.initialize(from: values)
          return memory
        }
        defer { for memory in memories { memory.deallocate() } }
        let starts = memories.map(\.baseAddress)
        let isFinite = nd_add_to_all(
          starts, starts.count, offset, starts[0]! + offset, starts[1]! + offset, count)
        #expect(isFinite == (bad == nil ? 1 : 0), "\(value) at \(bad ?? -1)")
        if bad == nil {
          for memory in memories { #expect(Array(memory) == placed(sum)) }
        } else {
          for memory in memories {
            #expect(Array(memory).indices.filter { !memory[$0].isFinite } == [offset + bad!])
          }
        }
      }
    }
  }
}
