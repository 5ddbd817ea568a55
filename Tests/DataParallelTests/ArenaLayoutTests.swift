import DataParallel
import Layers
import Tensors
import Testing

struct ArenaLayoutTests {
  @Test func parametersLieInVisitOrderOnCacheLines() {
    let layout = ArenaLayout(of: Sequential(Flatten(), Linear(7, 5), ReLU(), Linear(5, 3)))
    #expect(layout.entries.map(\.name) == ["1.weight", "1.bias", "3.weight", "3.bias"])
    #expect(layout.entries.map(\.shape) == [[5, 7], [5], [3, 5], [3]])
    #expect(layout.entries.map(\.offset) == [0, 48, 64, 80])  // 35, 5, 15 and 3 elements
    #expect(layout.elementCount == 96)
    #expect(ArenaLayout(of: Linear(784, 10)).elementCount == 7840 + 16)
    #expect(ArenaLayout(of: ReLU()).elementCount == 0)
  }

  @Test(arguments: 1...40) func parametersNeverOverlap(size: Int) {
    let layout = ArenaLayout(of: Sequential(Linear(size, 3), Linear(3, size), Linear(size, size)))
    var end = 0
    for entry in layout.entries {
      #expect(entry.offset % 16 == 0 && entry.offset >= end && entry.offset < end + 16)
      end = entry.offset + entry.shape.elementCount
    }
    #expect(layout.elementCount % 16 == 0 && layout.elementCount - end < 16)
    #expect(layout.elementCount >= end)
  }

  @Test func aViewIsItsPartOfTheArena() {
    let layout = ArenaLayout(of: Linear(2, 3))
    let arena = Tensor((0..<100).map(Float.init), shape: [100]).rows(5..<5 + layout.elementCount)
    let views = layout.entries.map { layout.view($0, in: arena) }
    #expect(views[0].shape == [3, 2] && views[0].values(Float.self) == [5, 6, 7, 8, 9, 10])
    #expect(views[1].values(Float.self) == [21, 22, 23])
    #expect(views[1].storage === arena.storage)
  }
}
