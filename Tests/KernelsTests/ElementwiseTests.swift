import CKernels
import Kernels
import Tensors
import TestSupport
import Testing

/// Compares fast kernels with the reference bit for bit, as each element rounds only once.
struct ElementwiseTests {
  private static let specials: [Float] = [
    0, -0.0, 1, -1, .nan, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
    .leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
  ]

  /// Random numbers, one in four of them a special value.
  private func numbers(_ count: Int, _ draws: inout Draws) -> [Float] {
    (0..<count).map { _ in
      draws.int(0...3) == 0 ? draws.pick(Self.specials) : draws.float() * 100
    }
  }

  /// Calls `body` with sizes around every vector width, and offsets that break alignment.
  private func sizes(_ body: (_ count: Int, _ offset: Int, inout Draws) -> Void) {
    for count in Array(0...100) + [255, 256, 257, 1000, 4099] {
      var draws = Draws(case: count)
      body(count, draws.int(0...17), &draws)
    }
  }

  private func reference(
    _ count: Int, _ x: [Float], _ y: [Float],
    _ body: (Reference.Elements<Float>, Reference.Elements<Float>, Reference.Elements<Float>) ->
      Void
  ) -> [UInt32] {
    var (x, y, z) = (x, y, [Float](repeating: 55, count: count))
    x.withUnsafeMutableBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        z.withUnsafeMutableBufferPointer { z in body(x, y, z) }
      }
    }
    return z.bits
  }

  @Test func binaryOpsMatchTheReferenceBitForBit() {
    sizes { count, offset, draws in
      let (x, y) = (numbers(count, &draws), numbers(count, &draws))
      let (left, right) = (unaligned(x, by: offset), unaligned(y, by: 3 * offset % 16))
      let sum = reference(count, x, y) { Reference.add($0, $1, $2) }
      #expect(add(left, right).bits == sum, "\(draws)")
      let destination = Guarded([count], at: offset / 2)
      #expect(add(left, right, into: destination.tensor).bits == sum, "\(draws)")
      #expect(destination.guardsAreIntact, "\(draws)")
      let product = reference(count, x, y) { Reference.multiply($0, $1, $2) }
      #expect(multiply(left, right).bits == product, "\(draws)")
      // In place of an operand.
      #expect(add(left, right, into: left).bits == sum, "\(draws)")
      #expect(add(unaligned(x, by: offset), right, into: right).bits == sum, "\(draws)")
    }
  }

  @Test func reluAndItsDerivativeMatchTheReferenceBitForBit() {
    sizes { count, offset, draws in
      let (x, dy) = (numbers(count, &draws), numbers(count, &draws))
      let y = reference(count, x, x) { x, _, y in Reference.relu(x, y) }
      let tensor = unaligned(x, by: offset)
      #expect(relu(tensor).bits == y, "\(draws)")
      let result = relu(tensor)
      let dx = reference(count, dy, result.values(Float.self)) {
        Reference.reluBackward($0, $1, $2)
      }
      #expect(reluBackward(unaligned(dy, by: 1), y: result).bits == dx, "\(draws)")
      let guarded = Guarded([count], at: offset)
      nd_relu(guarded.tensor.pointer(Float.self), tensor.pointer(Float.self), count)
      #expect(guarded.tensor.bits == y && guarded.guardsAreIntact, "\(draws)")
    }
  }

  @Test func reluByHand() {
    let x = Tensor([-2, -0.0, 0, 3, .nan, .infinity, -.infinity] as [Float], shape: [7])
    let y = relu(x)
    #expect(y.bits == ([0, 0, 0, 3, .nan, .infinity, 0] as [Float]).bits)
    let dy = Tensor([1, 2, 3, 4, 5, 6, 7] as [Float], shape: [7])
    // NaN must not hide a gradient, so that a diverged run is noticed.
    #expect(reluBackward(dy, y: y).values(Float.self) == [0, 0, 0, 4, 5, 6, 0])
  }

  @Test func anyLayoutGivesTheSameValues() {
    for number in 0..<RandomCases.elementwise {
      var draws = Draws(case: number)
      let shape = Shape((0..<draws.int(0...4)).map { _ in draws.int(0...5) })
      let (x, y) = (draws.floats(shape.elementCount), draws.floats(shape.elementCount))
      let (left, right) = (draws.laidOut(x, shape: shape), draws.laidOut(y, shape: shape))
      #expect(add(left, right).values(Float.self) == zip(x, y).map { $0 + $1 }, "\(draws)")
      #expect(multiply(left, right).values(Float.self) == zip(x, y).map { $0 * $1 }, "\(draws)")
      #expect(relu(left).values(Float.self) == x.map { max($0, 0) }, "\(draws)")
      #expect(relu(left).shape == shape, "\(draws)")
      #expect(
        reluBackward(left, y: right).values(Float.self)
          == zip(x, y).map { $1 > 0 ? $0 : 0 }, "\(draws)")
      #expect(sum(left).item() == Double(Float(nd_sum(x, x.count))), "\(draws)")
    }
  }

  @Test func repeatedFillsWithOneValue() {
    #expect(
      repeated(Tensor(scalar: Float(2.5)), shape: [2, 2]).values(Float.self) == [
        2.5, 2.5, 2.5, 2.5,
      ])
    #expect(repeated(Tensor(scalar: 0.1), shape: [1, 2]).values(Double.self) == [0.1, 0.1])
    #expect(repeated(Tensor(scalar: Float(1)), shape: [3, 0]).elementCount == 0)
  }

  static let contracts = [
    BrokenContract("add", "add: shapes [2, 3] and [3, 2] differ") {
      _ = add(Tensor(zeros: [2, 3]), Tensor(zeros: [3, 2]))
    },
    BrokenContract("add dtypes", "add: operands of float32 and float64; convert one of them first")
    {
      _ = add(Tensor(zeros: [2]), Tensor(zeros: [2], .float64))
    },
    BrokenContract(
      "add destination", "add: the result is float32 [2]; the destination is float64 [2]"
    ) { _ = add(Tensor(zeros: [2]), Tensor(zeros: [2]), into: Tensor(zeros: [2], .float64)) },
    BrokenContract("multiply", "multiply: shapes [2] and [2, 1] differ") {
      _ = multiply(Tensor(zeros: [2]), Tensor(zeros: [2, 1]))
    },
    BrokenContract("relu of bool", "relu: needs numbers, not bool") {
      _ = relu(Tensor(zeros: [2], .bool))
    },
    BrokenContract("relu backward", "relu backward: dy of shape [3] for y of shape [2]") {
      _ = reluBackward(Tensor(zeros: [3]), y: Tensor(zeros: [2]))
    },
    BrokenContract("column sums", "columnSums: shape [2, 3, 4] is not a matrix") {
      _ = columnSums(Tensor(zeros: [2, 3, 4]))
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in ElementwiseTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
