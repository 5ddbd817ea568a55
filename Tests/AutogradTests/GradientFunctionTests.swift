import Autograd
import Tensors
import TestSupport
import Testing

struct GradientFunctionTests {
  private func leaf(_ values: [Float], _ shape: Shape) -> Tensor {
    let tensor = Tensor(values, shape: shape)
    tensor.requiresGrad = true
    return tensor
  }

  @Test func theGraphCanBeWalkedByNames() {
    let (x, w, b) = (
      Tensor([1, 2] as [Float], shape: [1, 2]), leaf([1, 2, 3, 4], [2, 2]), leaf([1, 2], [2])
    )
    let hidden = linear(x, weight: w, bias: b).relu()
    let loss = crossEntropy(
      hidden + hidden, targets: Tensor(zeros: [1], .int64), divisor: 1)
    let last = loss.gradientFunction!
    #expect("\(last)" == "CrossEntropyBackward" && last.name == "crossEntropy")
    let sum = last.nextFunctions[0]!
    #expect(last.nextFunctions.count == 1 && "\(sum)" == "AddBackward")
    #expect(sum.nextFunctions.map { $0!.description } == ["ReluBackward", "ReluBackward"])
    #expect(sum.nextFunctions[0] === sum.nextFunctions[1])
    let first = sum.nextFunctions[0]!.nextFunctions[0]!
    #expect("\(first)" == "LinearBackward")
    #expect(first.nextFunctions.map { $0 == nil } == [true, true, true])  // a constant, two leaves
    #expect(w.gradientFunction == nil && x.gradientFunction == nil)
    #expect("\(w.reshaped([4]).gradientFunction!)" == "ReshapeBackward")
  }

  /// A recurrent net over many steps: freed one inside the other, it would overflow the stack.
  @Test(arguments: [false, true]) func aLongChainIsFreedWithoutOverflow(differentiated: Bool) {
    let length = 200_000
    let x = leaf([1], [1])
    weak var first: GradientFunction?
    weak var last: GradientFunction?
    do {
      var y = x
      for i in 0..<length {
        y = i % 2 == 0 ? y + x : y.reshaped([1])
        if i == 0 { first = y.gradientFunction }
      }
      last = y.gradientFunction
      #expect(first != nil && last != nil)
      if differentiated {
        y.backward()
        #expect(x.grad?.item() == Double(length / 2 + 1))
      }
    }
    #expect(first == nil && last == nil)
  }

  @Test func aLongChainOfTwofoldEdgesIsFreedWithoutOverflow() {
    let x = leaf([0], [1])
    weak var first: GradientFunction?
    do {
      var y = x + x
      first = y.gradientFunction
      for _ in 0..<100_000 { y = y + y }
    }
    #expect(first == nil)
  }

  /// Every function and every buffer of a graph dies with the last tensor that needs it.
  @Test(arguments: [false, true]) func nothingKeepsAGraphAlive(differentiated: Bool) {
    struct Weak { weak var object: AnyObject? }
    var watched: [Weak] = []
    let w = leaf([1, 2, 3, 4], [2, 2])
    do {
      let x = leaf([1, 2], [1, 2])
      let hidden = linear(x, weight: w, bias: nil).relu()
      let product = hidden * hidden.reshaped([2, 1]).reshaped([1, 2])
      let loss = crossEntropy(product, targets: Tensor(zeros: [1], .int64), divisor: 1) + x.sum()
      for tensor in [x, hidden, product, loss] {
        watched += [Weak(object: tensor), Weak(object: tensor.storage)]
      }
      var functions = [loss.gradientFunction!]
      while let next = functions.popLast() {
        watched.append(Weak(object: next))
        functions += next.nextFunctions.compactMap { $0 }
      }
      #expect(watched.count >= 8 + 7)
      #expect(watched.allSatisfy { $0.object != nil })
      if differentiated { loss.backward() }
    }
    #expect(watched.filter { $0.object != nil }.count == 0)
    #expect((w.grad != nil) == differentiated)
  }

  @Test func aBackwardPassFreesWhatTheOpsSavedAndRetainGraphKeepsIt() {
    for retainGraph in [false, true] {
      let x = leaf([1, 2], [2])
      weak var saved: Storage?
      let loss: Tensor
      do {
        let y = x + x
        saved = y.storage
        loss = (y * y).sum()
      }
      #expect(saved != nil)
      loss.backward(retainGraph: retainGraph)
      #expect((saved != nil) == retainGraph)
      #expect(loss.item() == 20)
    }
  }

  @Test func anOpAsksOnlyForWhatSomebodyWants() {
    let (x, c) = (leaf([2], [1]), Tensor([3] as [Float], shape: [1]))
    var wanted: [Bool] = []
    let y = record("probe", inputs: [x, c, x + x], value: Tensor(zeros: [1])) { dy, request in
      wanted = (0..<3).map { request.isNeeded($0) }
      return [dy, nil, dy]
    }
    y.backward()
    #expect(wanted == [true, false, true])
    #expect(x.grad?.item() == 3)
    // No gradient at all stops here.
    let dead = record("dead", inputs: [x], value: Tensor(zeros: [1])) { _ in [nil] }
    x.zeroGrad()
    dead.backward()
    #expect(x.grad == nil)
  }

  static let contracts: [BrokenContract] = {
    @Sendable func leaf(_ shape: Shape) -> Tensor {
      let tensor = Tensor(zeros: shape)
      tensor.requiresGrad = true
      return tensor
    }
    return [
      BrokenContract(
        "second pass",
        "backward: a second pass through SumBackward, whose saved tensors were freed by the first; "
          + "pass retainGraph: true to the first"
      ) {
        let loss = leaf([2]).sum()
        loss.backward()
        loss.backward()
      },
      BrokenContract("no graph", "backward: no input of this tensor requires a gradient") {
        Tensor(zeros: [1]).backward()
      },
      BrokenContract(
        "no seed", "backward: a tensor of shape [2] needs a seed, the gradient that flows into it"
      ) { (leaf([2]) + leaf([2])).backward() },
      BrokenContract(
        "seed shape", "backward: a seed of float32 [2, 1] for a tensor of float32 [2]"
      ) { (leaf([2]) + leaf([2])).backward(seed: Tensor(zeros: [2, 1])) },
      BrokenContract("seed dtype", "backward: a seed of float64 [2] for a tensor of float32 [2]") {
        (leaf([2]) + leaf([2])).backward(seed: Tensor(zeros: [2], .float64))
      },
      BrokenContract(
        "linear without flatten",
        "linear: input [16, 128, 1, 1] does not fit weight [10, 128], which takes [N, 128]; "
          + "flatten the axes after the first"
      ) { _ = linear(leaf([16, 128, 1, 1]), weight: leaf([10, 128]), bias: nil) },
      BrokenContract("linear weight", "linear: the weight must be [out, in], not [10]") {
        _ = linear(leaf([2, 10]), weight: leaf([10]), bias: nil)
      },
      BrokenContract("linear bias", "matmul: a bias of shape [3] for 10 columns") {
        _ = linear(leaf([2, 4]), weight: leaf([10, 4]), bias: leaf([3]))
      },
      BrokenContract("add", "add: shapes [2] and [3] do not broadcast") {
        _ = leaf([2]) + leaf([3])
      },
      BrokenContract("reshape", "reshape: shape [2, 3] has 6 elements, [5] has 5") {
        _ = leaf([2, 3]).reshaped([5])
      },
      BrokenContract("flatten", "flatten: axes 1 through -1 do not exist in shape [5]") {
        _ = leaf([5]).flattened(startAxis: 1)
      },
      BrokenContract("divisor", "crossEntropy: the divisor must be positive, not 0") {
        _ = crossEntropy(leaf([1, 2]), targets: Tensor(zeros: [1], .int64), divisor: 0)
      },
      BrokenContract(
        "requiresGrad of a result",
        "requiresGrad: only a leaf can be changed; this tensor was made by sum; use its `value`"
      ) { leaf([2]).sum().requiresGrad = false },
      BrokenContract(
        "requiresGrad of integers", "requiresGrad: a tensor of int64 has no gradient"
      ) { Tensor(zeros: [2], .int64).requiresGrad = true },
      BrokenContract("adopt a constant", "only a leaf can move into an arena") {
        Tensor(zeros: [2]).adopt(Storage(byteCount: 8), offset: 0, gradient: Tensor(zeros: [2]))
      },
      BrokenContract(
        "adopt another gradient",
        "an arena's gradient of shape [3] does not fit a parameter of shape [2]"
      ) { leaf([2]).adopt(Storage(byteCount: 8), offset: 0, gradient: Tensor(zeros: [3])) },
      BrokenContract("too few gradients", "OddBackward returned 1 gradients for 2 inputs") {
        record("odd", inputs: [leaf([1]), leaf([1])], value: Tensor(zeros: [1])) { [$0] }.backward()
      },
      BrokenContract(
        "gradient of another shape",
        "OddBackward returned a gradient of float32 [1] for input 0 of float32 [2]"
      ) { record("odd", inputs: [leaf([2])], value: Tensor(zeros: [1])) { [$0] }.backward() },
    ]
  }()

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in GradientFunctionTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
