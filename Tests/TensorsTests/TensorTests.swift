import Tensors
import TestSupport
import Testing

struct TensorTests {
  @Test func everyDTypeHoldsItsValues() {
    func check<Scalar: TensorScalar & Equatable>(_ values: [Scalar], _ dtype: DType) {
      let tensor = Tensor(values, shape: [values.count])
      #expect(tensor.dtype == dtype)
      #expect(dtype.byteCount == MemoryLayout<Scalar>.stride)
      #expect(tensor.storage.byteCount == values.count * dtype.byteCount)
      #expect(tensor.values(Scalar.self) == values)
      #expect(Tensor(zeros: [3], dtype).asDoubles == [0, 0, 0])
    }
    check([1.5, -Float.infinity, .leastNonzeroMagnitude], .float32)
    check([1.5, -2.5e300] as [Double], .float64)
    check([Int32.min, 7], .int32)
    check([Int64.max, 7], .int64)
    check([0, 255, 7] as [UInt8], .uint8)
    check([true, false], .bool)
    #expect(DType.allCases.filter(\.isFloatingPoint) == [.float32, .float64])
  }

  @Test func itemIsTheOneElementOfAnyDType() {
    #expect(Tensor(scalar: Float(0.5)).item() == 0.5)
    #expect(Tensor(scalar: 0.1).item() == 0.1)
    #expect(Tensor(scalar: Int32(-3)).item() == -3)
    #expect(Tensor(scalar: Int64(1) << 40).item() == 0x1p40)
    #expect(Tensor(scalar: UInt8(255)).item() == 255)
    #expect(Tensor(scalar: true).item() == 1)
    // Not the first of its storage.
    #expect(Tensor([1, 2, 3] as [Float], shape: [3, 1]).rows(2..<3).item() == 3)
  }

  @Test func aTensorIsAlignedToACacheLine() {
    for count in [1, 3, 17, 1000] {
      #expect(Int(bitPattern: Tensor(zeros: [count]).rawPointer) % 64 == 0)
    }
  }

  @Test func anotherOwnersMemoryLivesAsLongAsItsViews() {
    final class Owner {
      let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
      deinit { memory.deallocate() }
    }
    weak var watched: Owner?
    var tensor: Tensor?
    do {
      let owner = Owner()
      watched = owner
      owner.memory.initializeMemory(as: Float.self, repeating: 3, count: 16)
      let storage = Storage(base: owner.memory, byteCount: 64, owner: owner)
      tensor = Tensor(
        storage: storage, shape: [2], strides: ([2] as Shape).contiguousStrides, offset: 14,
        dtype: .float32)
    }
    #expect(watched != nil)
    #expect(tensor?.values(Float.self) == [3, 3])
    tensor = nil
    #expect(watched == nil)
  }

  @Test func reseatedTensorsViewTheArenaAndOtherViewsDoNot() {
    let tensor = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
    let view = tensor.rows(1..<2)
    let arena = Tensor((0..<20).map(Float.init), shape: [20])
    tensor.reseat(on: arena.storage, offset: 16)
    #expect(tensor.values(Float.self) == [16, 17, 18, 19])
    #expect(view.values(Float.self) == [3, 4])
    tensor.fillWithZeros()
    #expect(arena.values(Float.self).suffix(5) == [15, 0, 0, 0, 0])
  }

  static let contracts = [
    BrokenContract(
      "too few values", "5 values do not fill shape [2, 3], which has 6 elements"
    ) { _ = Tensor([Float](repeating: 0, count: 5), shape: [2, 3]) },
    BrokenContract("wrong scalar", "a tensor of float32 was read as float64") {
      _ = Tensor(zeros: [2]).values(Double.self)
    },
    BrokenContract("item of two", "item: shape [2] has 2 elements, not one") {
      _ = Tensor(zeros: [2]).item()
    },
    BrokenContract("item of none", "item: shape [0] has 0 elements, not one") {
      _ = Tensor(zeros: [0]).item()
    },
    BrokenContract("view past the end", "a view of shape [2, 3] at element 1 reaches outside") {
      let shape: Shape = [2, 3]
      _ = Tensor(
        storage: Storage(byteCount: 24), shape: shape, strides: shape.contiguousStrides, offset: 1,
        dtype: .float32)
    },
    BrokenContract("strides of another shape", "shape and strides differ in axes") {
      _ = Tensor(
        storage: Storage(byteCount: 24), shape: [2, 3], strides: Strides(axisCount: 1), offset: 0,
        dtype: .float32)
    },
    BrokenContract("fill with gaps", "only a contiguous tensor can be filled in one go") {
      Tensor(zeros: [2, 3]).transposedView.fillWithZeros()
    },
    BrokenContract("no room in an arena", "no room for shape [3] at element 2 of the arena") {
      Tensor(zeros: [3]).reseat(on: Storage(byteCount: 16), offset: 2)
    },
    BrokenContract("seat with gaps", "only a contiguous tensor can be seated in an arena") {
      Tensor(zeros: [2, 3]).transposedView.reseat(on: Storage(byteCount: 100), offset: 0)
    },
    BrokenContract(
      "reshape", "reshape: shape [2, 3] has 6 elements, [4] has 4"
    ) { _ = Tensor(zeros: [2, 3]).viewed(as: [4]) },
    BrokenContract("transpose", "transpose: shape [2, 3, 4] is not a matrix") {
      _ = Tensor(zeros: [2, 3, 4]).transposedView
    },
    BrokenContract("rows", "rows 1..<4 are not within shape [3, 2]") {
      _ = Tensor(zeros: [3, 2]).rows(1..<4)
    },
    BrokenContract("rows of a scalar", "rows 0..<1 are not within shape []") {
      _ = Tensor(scalar: Float(1)).rows(0..<1)
    },
    BrokenContract("long permutation", "a permutation of 2147483648 does not fit 32-bit indices") {
      _ = CountedRandom(seed: 0, purpose: "").permutation(1 << 31)
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in TensorTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
