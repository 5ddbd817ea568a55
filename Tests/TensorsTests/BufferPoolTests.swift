import Synchronization
import System
import Tensors
import TestSupport
import Testing

struct BufferPoolTests {
  @Test func sizeClassesAreQuartersOfPowersOfTwo() {
    #expect(
      (0..<10).map { BufferPool.capacity(ofClass: $0) / 64 } == [4, 5, 6, 7, 8, 10, 12, 14, 16, 20])
    for sizeClass in 0..<150 {
      let capacity = BufferPool.capacity(ofClass: sizeClass)
      #expect(BufferPool.sizeClass(of: capacity) == sizeClass)
      #expect(BufferPool.sizeClass(of: capacity + 1) == sizeClass + 1)
      #expect(capacity % 64 == 0)
    }
  }

  @Test func buffersAreLargeEnoughAndWasteAtMostAFifth() {
    var draws = Draws(case: 0)
    let large = (0..<10_000).map { _ in Int(draws.word() >> UInt64(draws.int(22...52))) }
    for byteCount in Array(0...70_000) + large {
      let capacity = BufferPool.capacity(ofClass: BufferPool.sizeClass(of: byteCount))
      guard capacity >= byteCount && (byteCount <= 256 || 5 * (capacity - byteCount) <= capacity)
      else {
        Issue.record("\(byteCount) bytes get \(capacity)")
        return
      }
    }
    #expect(BufferPool.capacity(ofClass: BufferPool.sizeClass(of: 0)) == 256)
  }

  @Test func aBufferGivenBackIsTheNextOfItsClass() {
    let pool = BufferPool()
    let (first, sizeClass) = pool.take(1000)
    let (other, _) = pool.take(1000)
    #expect(first != other)
    #expect(Int(bitPattern: first) % 64 == 0 && Int(bitPattern: other) % 64 == 0)
    #expect(pool.statistics.systemAllocations == 2)
    #expect(pool.statistics.bytesInUse == 2048)
    pool.giveBack(first, sizeClass: sizeClass)
    #expect(pool.statistics.bytesInUse == 1024)
    #expect(pool.statistics.bytesKept == 1024)
    let (larger, largerClass) = pool.take(1025)  // another class
    #expect(larger != first)
    #expect(pool.statistics.reuses == 0)
    let (again, againClass) = pool.take(900)
    #expect(again == first && againClass == sizeClass)
    #expect(pool.statistics.reuses == 1)
    #expect(pool.statistics.bytesKept == 0)
    pool.giveBack(again, sizeClass: sizeClass)
    pool.giveBack(other, sizeClass: sizeClass)
    pool.giveBack(larger, sizeClass: largerClass)
    pool.trim()
    #expect(pool.statistics.bytesKept == 0)
    #expect(pool.statistics.bytesInUse == 0)
    let (fresh, _) = pool.take(1000)
    #expect(pool.statistics.systemAllocations == 4)
    pool.giveBack(fresh, sizeClass: sizeClass)
    pool.trim()
  }

  /// Every byte of a buffer belongs to one holder: each fills its own and finds it untouched.
  @Test func threadsNeverShareABuffer() async {
    let pool = BufferPool()
    let (tasks, rounds) = (4, 5000)
    let clashes = await withTaskGroup(of: Int.self) { group in
      for task in 1...tasks {
        group.addTask {
          var (draws, clashes) = (Draws(case: task), 0)
          for _ in 0..<rounds {
            let count = draws.int(1...600)
            let (buffer, sizeClass) = pool.take(count)
            let bytes = buffer.assumingMemoryBound(to: UInt8.self)
            bytes.update(repeating: UInt8(task), count: count)
            for i in 0..<count where bytes[i] != UInt8(task) { clashes += 1 }
            pool.giveBack(buffer, sizeClass: sizeClass)
          }
          return clashes
        }
      }
      return await group.reduce(0, +)
    }
    #expect(clashes == 0)
    let statistics = pool.statistics
    #expect(statistics.systemAllocations + statistics.reuses == tasks * rounds)
    #expect(statistics.bytesInUse == 0)
    pool.trim()
  }

  /// In a process of its own: other tests use the shared pool too.
  @Test func aSteadyLoopOfTensorsTakesNothingFromTheSystem() async {
    await #expect(processExitsWith: .success) {
      func step() {
        let x = Tensor(zeros: [64, 784])
        let y = x.transposedView.copied()
        _ = [Tensor(scalar: Float(1)), y.rows(0..<5), Tensor([1, 2] as [Int64], shape: [2])]
      }
      step()
      let before = BufferPool.shared.statistics
      for _ in 0..<100 { step() }
      let after = BufferPool.shared.statistics
      #expect(after.systemAllocations == before.systemAllocations)
      #expect(after.bytesInUse == before.bytesInUse)
      #expect(after.reuses == before.reuses + 400)
    }
  }

  @Test func storageGoesBackWithItsLastView() async {
    await #expect(processExitsWith: .success) {
      let before = BufferPool.shared.statistics.bytesInUse
      var tensor: Tensor? = Tensor(zeros: [4, 4])
      var view: Tensor? = tensor?.rows(1..<2)
      let held = BufferPool.shared.statistics.bytesInUse
      #expect(held > before)
      tensor = nil
      #expect(BufferPool.shared.statistics.bytesInUse == held)
      #expect(view?.values(Float.self) == [0, 0, 0, 0])
      view = nil
      #expect(BufferPool.shared.statistics.bytesInUse == before)
    }
  }
}
