import CSystem
import DataParallel
import Foundation
import Kernels
import Synchronization
import Tensors
import TestSupport
import Testing

/// Serialized: the suite's threads would otherwise crowd out the other tests on few cores.
@Suite(.serialized) struct ShardThreadsTests {
  @Test(arguments: 1...6) func everyPieceRunsOnceOnItsThread(count: Int) {
    let threads = ShardThreads(count: count)
    defer { threads.end() }
    var owners: [Int: UInt] = [:]
    for pieces in Array(0...13) + [100] {
      let ran = Mutex<[(piece: Int, thread: UInt)]>([])
      threads.run(pieces: pieces) { piece in
        ran.withLock { $0.append((piece, UInt(pthread_self()))) }
      }
      let all = ran.withLock { $0 }
      #expect(all.map(\.piece).sorted() == Array(0..<pieces), "\(pieces) pieces")
      for (piece, thread) in all {
        #expect(owners[piece % count] ?? thread == thread, "piece \(piece) of \(pieces)")
        owners[piece % count] = thread
      }
    }
    #expect(Set(owners.values).count == count)
    #expect(owners[0] == UInt(pthread_self()))
  }

  @Test func aloneTheCallerDoesAll() {
    let threads = ShardThreads(count: 3)
    defer { threads.end() }
    for isAlone in [false, true, false] {
      threads.isAlone = isAlone
      let owners = Mutex<Set<UInt>>([])
      threads.run(pieces: 7) { _ in _ = owners.withLock { $0.insert(UInt(pthread_self())) } }
      let found = owners.withLock { $0 }
      #expect(found.count == (isAlone ? 1 : 3) && found.contains(UInt(pthread_self())))
    }
  }

  /// Each piece adds up a range of its own, and the next round builds on the last.
  @Test func resultsAreThoseOfOneThread() {
    func results(_ count: Int) -> [Float] {
      let threads = ShardThreads(count: count)
      defer { threads.end() }
      var sums = [Float](repeating: 0, count: 7)
      sums.withUnsafeMutableBufferPointer { sums in
        nonisolated(unsafe) let sums = sums
        for round in 1...50 {
          threads.run(pieces: sums.count) { piece in
            for i in 0..<200 { sums[piece] += 1 / Float(piece + round * i + 1) }
          }
        }
      }
      return sums
    }
    let one = results(1)
    #expect(results(2) == one)
    #expect(results(5) == one)
  }

  /// run returns only when all is done, and sees what the threads wrote.
  @Test(.timeLimit(.minutes(1)), arguments: [2, 3, 5])
  func aThousandRoundsEndAndAreSeen(count: Int) {
    let threads = ShardThreads(count: count)
    defer { threads.end() }
    var done = [Int](repeating: 0, count: 5)
    done.withUnsafeMutableBufferPointer { done in
      nonisolated(unsafe) let done = done
      for round in 1...1000 {
        threads.run(pieces: done.count) { done[$0] += 1 }
        if !done.allSatisfy({ $0 == round }) {
          Issue.record("round \(round): \(Array(done))")
          return
        }
      }
    }
  }

  @Test(arguments: [0, 1, 16_383, 16_384, 50_001]) func partsOfARangeAreTheRange(length: Int) {
    let threads = ShardThreads(count: 3)
    defer { threads.end() }
    let range = 32..<32 + length
    let ran = Mutex<[Range<Int>]>([])
    threads.run(over: range) { part in ran.withLock { $0.append(part) } }
    let parts = ran.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
    #expect(parts.count == max(1, min(3, length / 8192)))
    #expect(parts.first?.lowerBound == 32 && parts.last?.upperBound == range.upperBound)
    for (part, next) in zip(parts, parts.dropFirst()) {
      #expect(part.upperBound == next.lowerBound && next.lowerBound % 16 == 0)
    }
    // One part that fails is enough.
    for part in parts { #expect(!threads.allSatisfy(over: range) { $0 != part }) }
    #expect(threads.allSatisfy(over: range) { parts.contains($0) })
  }

  /// A thread that leaves its core may go wherever it might before.
  @Test func whoLeavesACoreMayComeBack() {
    func usable() -> [Int32] {
      var cores = [Int32](repeating: -1, count: 1024)
      let count = Int(nd_usable_cores(&cores, 1024))
      return Array(cores.prefix(count))
    }
    let before = usable()
    #expect(before.contains(nd_current_core()))
    nd_leave_cores([nd_current_core()], 1)
    #expect(usable() == before && before.contains(nd_current_core()))
    // None is left; and numbers that are no core's.
    nd_leave_cores(before + [-1, 1 << 20], Int32(before.count + 2))
    #expect(usable() == before)
  }

  @Test(.timeLimit(.minutes(1))) func endJoinsAllThreadsAndNothingKeepsThem() {
    weak var watched: ShardThreads?
    for _ in 0..<50 {
      let threads = ShardThreads(count: 4)
      watched = threads
      threads.run(pieces: 4) { _ in }
      threads.end()
    }
    #expect(watched == nil)
    // Also when they never had work.
    ShardThreads(count: 4).end()
  }

  /// The shards' products must not depend on who computes them: each thread has primitives of its
  /// own, and pieces change threads when a run goes on with another number of them.
  @Test(arguments: [(7, 33, 65), (16, 10, 784), (64, 512, 784)])
  func aProductsBitsDoNotDependOnTheThread(m: Int, n: Int, k: Int) {
    var draws = Draws(case: m)
    let pieces = 6
    let inputs = (0..<pieces).map { _ in (draws.floats(m * k), draws.floats(n * k)) }
    func products(_ count: Int) -> [[UInt32]] {
      let threads = ShardThreads(count: count)
      defer { threads.end() }
      let results = Mutex([Int: [UInt32]]())
      threads.run(pieces: pieces) { piece in
        let (a, b) = inputs[piece]
        let c = matmul(
          Tensor(a, shape: [m, k]), Tensor(b, shape: [n, k]).transposedView)
        let bits = c.bits
        results.withLock { $0[piece] = bits }
      }
      return results.withLock { all in (0..<pieces).map { all[$0]! } }
    }
    let one = products(1)
    #expect(products(2) == one)
    #expect(products(5) == one)
  }

  static let contracts = [
    BrokenContract("no thread", "a rank has at least one thread") { _ = ShardThreads(count: 0) },
    BrokenContract("work after the end", "work for threads that were ended") {
      let threads = ShardThreads(count: 2)
      threads.end()
      threads.run(pieces: 2) { _ in }
    },
  ]

  @Test(.timeLimit(.minutes(1)), arguments: contracts)
  func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in ShardThreadsTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
