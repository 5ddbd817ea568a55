import Autograd
import System
import Tensors
import TestSupport
import Testing

/// In-place writes: what they do, and that a backward pass notices them.
struct InPlaceChangeTests {
  private static func leaf(_ values: [Float]) -> Tensor {
    let tensor = Tensor(values)
    tensor.requiresGrad = true
    return tensor
  }

  @Test func assigningWritesThroughViews() {
    let x = Tensor([[1.0, 2, 3], [4, 5, 6]])
    let column = x[Every(), 1]
    column.assign(0, where: column .> 2)
    #expect(x.values(Float.self) == [1, 2, 3, 4, 0, 6])
    x.transposed().assign(Tensor([[7.0], [8], [9]]), where: Tensor([true, false]))
    #expect(x.values(Float.self) == [7, 8, 9, 4, 0, 6])
    x[x .> 7] = Tensor([-1.0, -2])
    #expect(x.values(Float.self) == [7, -1, -2, 4, 0, 6])
    x[0].assign(Tensor(scalar: 5 as Float))
    #expect(x.values(Float.self) == [5, 5, 5, 4, 0, 6])
  }

  @Test func assigningWithinNoGradChangesALeaf() {
    let x = InPlaceChangeTests.leaf([1, 2])
    noGrad { x.assign(9, where: x .> 1) }
    #expect(x.values(Float.self) == [1, 9])
    (x * x).sum().backward()
    noGrad { x.assign(x - 0.5 * x.grad!) }
    #expect(x.values(Float.self) == [0, 0] && x.requiresGrad)
  }

  @Test func whatNoBackwardPassReadsMayChange() {
    let (x, c) = (InPlaceChangeTests.leaf([1, 2]), Tensor([3.0, 4]))
    let y = x + c
    let (scaled, frozen) = (y * 2, Tensor([1.0, 1]))
    c.assign(0, where: c .> 0)  // an addend is not saved
    noGrad { y.detached().assign(7, where: Tensor([true, true])) }
    let other = x.reshaped([2, 1])
    (scaled.sum() + (frozen * 2).sum() + other.sum()).backward()
    #expect(x.grad?.values(Float.self) == [3, 3])
  }

  /// A linear layer copies an input of several axes whose rows do not lie one behind the other.
  @Test func whatALayerCopiedMayChange() {
    let weight = Tensor([[10.0, 1]])
    weight.requiresGrad = true
    let x = Tensor([1.0, 2, 3, 4]).reshaped([2, 1, 2])
    let y = linear(x.transposed(0, 2), weight: weight, bias: nil)
    x.assign(0, where: x .> 0)
    y.sum().backward()
    #expect(weight.grad?.values(Float.self) == [3, 7])
  }

  /// The check keeps an int for each input, not its memory.
  @Test func theCheckKeepsNoMemoryAlive() {
    weak var storage: Storage?
    let x = InPlaceChangeTests.leaf([1, 2])
    var y: Tensor
    do {
      let inner = x * 2
      storage = inner.storage
      y = inner.exp()  // saves its result only
    }
    #expect(storage == nil)
    y.sum().backward()
  }

  static let contracts: [BrokenContract] = [
    BrokenContract(
      "an input",
      "backward: MultiplyBackward needs its input 1 as it was, but it has been changed in place "
        + "since; change a copy (copied()), or use maskedFilled or Tensor.where"
    ) {
      let c = Tensor([3.0, 4])
      let y = leaf([1, 2]) * c
      c.assign(0, where: c .> 3)
      y.sum().backward()
    },
    BrokenContract(
      "a result", "backward: SigmoidBackward needs its result as it was, but it has been changed"
    ) {
      let y = leaf([1, 2]).sigmoid()
      noGrad { y[y .> 0.5] = Tensor(scalar: 1 as Float) }
      y.sum().backward()
    },
    BrokenContract(
      "through a view", "backward: LinearBackward needs its input 0 as it was"
    ) {
      let x = Tensor([[1.0, 2]])
      let y = linear(x, weight: leaf([1, 2]).reshaped([1, 2]), bias: nil)
      x[0, 1].assign(5, where: Tensor(scalar: true))
      y.sum().backward()
    },
    BrokenContract(
      "a recorded tensor",
      "assign: a gradient flows through the tensor, which writing in place would break; use "
        + "Tensor.where or maskedFilled, or write within noGrad"
    ) { leaf([1]).assign(2, where: Tensor([true])) },
    BrokenContract(
      "dtype", "assign: float64 values into a tensor of float32; convert them with to(_:)"
    ) { Tensor([1.0]).assign(Tensor(scalar: 2.0), where: Tensor([true])) },
    BrokenContract(
      "an expanded tensor",
      "assign: an expanded tensor's elements share memory; write into its copied()"
    ) { Tensor([1.0]).expanded(to: [3]).assign(2, where: Tensor([true])) },
    BrokenContract("mask", "assign: the mask must be bool, not int64") {
      Tensor([1.0]).assign(2, where: Tensor([1]))
    },
    BrokenContract("shape of a mask", "assign: a mask of shape [2, 2] does not broadcast to [2]") {
      Tensor([1.0, 2]).assign(2, where: Tensor([[true, true], [true, true]]))
    },
    BrokenContract("values", "assign: values of shape [3] do not broadcast to [1]") {
      Tensor([1.0]).assign(Tensor([1.0, 2, 3]), where: Tensor([true]))
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in InPlaceChangeTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
