import Tensors
import TestSupport
import Testing

struct ShapeTests {
  @Test func elementCountIsTheProductAndAScalarHasOne() {
    #expect(([] as Shape).elementCount == 1)
    #expect(([2, 3, 4] as Shape).elementCount == 24)
    #expect(([2, 0, 4] as Shape).elementCount == 0)
    #expect(Shape([Int](repeating: 2, count: 8)).elementCount == 256)
  }

  @Test func stridesAreRowMajor() {
    func strides(_ shape: Shape) -> [Int] { (0..<shape.count).map { shape.contiguousStrides[$0] } }
    #expect(strides([]) == [])
    #expect(strides([5]) == [1])
    #expect(strides([2, 3, 4]) == [12, 4, 1])
    #expect(strides([2, 0, 4]) == [4, 4, 1])
  }

  @Test func equalityAndHashAreThoseOfTheExtents() {
    #expect(([2, 3] as Shape) == Shape([2, 3]))
    #expect(([2, 3] as Shape).hashValue == Shape([2, 3]).hashValue)
    #expect(([2, 3] as Shape) != [3, 2])
    #expect(([2, 3] as Shape) != [2, 3, 0])
    #expect(([] as Shape) != [0])
    #expect(Set([[2, 3], [3, 2], [2, 3], [6]] as [Shape]).count == 3)
  }

  @Test func isACollectionOfItsExtents() {
    let shape: Shape = [16, 128, 1, 1]
    #expect(Array(shape) == [16, 128, 1, 1])
    #expect(Array(shape.dropFirst()) == [128, 1, 1])
    #expect(shape.last == 1)
    #expect("\(shape)" == "[16, 128, 1, 1]")
    #expect("\([] as Shape)" == "[]")
    #expect(shape.extent(of: 1, op: "test") == 128)
    #expect(shape.with(3, at: 1) == [16, 3, 1, 1] && shape[1] == 128)
    #expect(Shape(2, 3, 4) == [2, 3, 4])
    let other: Shape = [2, 3, 4, 5]
    #expect(other.joining(0...3) == [120] && other.joining(2...2) == other)
    #expect(other.joining(1...2) == [2, 12, 5] && other.joining(2...3) == [2, 3, 20])
    #expect(([2, 0, 4] as Shape).joining(0...1) == [0, 4])
  }

  static let contracts = [
    BrokenContract("nine axes", "a tensor has at most 8 axes, not 9") {
      _ = Shape([Int](repeating: 1, count: 9))
    },
    BrokenContract("negative extent", "axis 1 has the negative extent -3") {
      _ = [2, -3] as Shape
    },
    BrokenContract("axis too high", "no axis 2 in a shape of 2 axes") { _ = ([2, 3] as Shape)[2] },
    BrokenContract("axis below 0", "no axis -1 in a shape of 2 axes") {
      _ = ([2, 3] as Shape)[-1]
    },
    BrokenContract("another extent", "no axis 2 in a shape of 2 axes") {
      _ = ([2, 3] as Shape).with(1, at: 2)
    },
    BrokenContract("axes to join", "no axis 2 in a shape of 2 axes") {
      _ = ([2, 3] as Shape).joining(1...2)
    },
    BrokenContract("axis of an op", "mean: no axis 2 in shape [2, 3]") {
      _ = ([2, 3] as Shape).extent(of: 2, op: "mean")
    },
    BrokenContract("stride of no axis", "no axis 1 among 1 strides") {
      _ = Strides(axisCount: 1)[1]
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in ShapeTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
