import Autograd
import Tensors
import TestSupport
import Testing

/// A linear layer and its activation as one op, against the two ops.
struct LinearActivationTests {
  private static let activations: [OutputActivation] = [.relu, .sigmoid, .tanh]

  private static func apart(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ precision: Precision,
    _ activation: OutputActivation
  ) -> Tensor {
    let z = linear(x, weight: weight, bias: bias, precision: precision)
    return switch activation {
    case .relu: z.relu()
    case .sigmoid: z.sigmoid()
    case .tanh: z.tanh()
    }
  }

  private static func leaf(_ values: [Float], _ shape: Shape) -> Tensor {
    let tensor = Tensor(values, shape: shape)
    tensor.requiresGrad = true
    return tensor
  }

  /// Products that are computed together with the bias's gradient, and larger ones; with and without
  /// bias, with axes in front, of rounded operands, and where the input or the weight needs no gradient.
  @Test(arguments: activations) func bitsAreThoseOfTwoOps(activation: OutputActivation) {
    for number in 0..<60 {
      var draws = Draws(case: number)
      let (inputs, outputs) = (draws.pick([1, 2, 3, 17, 50]), draws.pick([1, 3, 5, 16, 65]))
      let front: [Int] = draws.pick([[1], [16], [2, 3], [0], [40]])
      let precision = draws.pick([Precision.float32, .float32, .bf16])
      let hasBias = draws.int(0...3) > 0
      let x = Self.leaf(
        draws.floats(front.reduce(1, *) * inputs), Shape(front + [inputs]))
      let weight = Self.leaf(draws.floats(inputs * outputs), [outputs, inputs])
      let bias = hasBias ? Self.leaf(draws.floats(outputs), [outputs]) : nil
      switch draws.int(0...4) {
      case 0: x.requiresGrad = false
      case 1: weight.requiresGrad = false
      case 2: bias?.requiresGrad = false
      default: break
      }
      let leaves = [x, weight] + (bias.map { [$0] } ?? [])
      guard leaves.contains(where: { $0.requiresGrad }) else { continue }
      let shape = Shape(front + [outputs])
      let seed = Tensor(draws.floats(shape.elementCount), shape: shape)
      func results(_ y: Tensor) -> [[UInt32]?] {
        for leaf in leaves { leaf.zeroGrad() }
        y.backward(seed: seed)
        return [y.bits] + leaves.map { $0.grad?.bits }
      }
      let one = results(
        linear(x, weight: weight, bias: bias, precision: precision, activation: activation))
      let two = results(Self.apart(x, weight, bias, precision, activation))
      #expect(one == two, "\(draws)")
      #expect(
        noGrad {
          linear(x, weight: weight, bias: bias, precision: precision, activation: activation)
        }.bits == one[0])
    }
  }

  @Test(arguments: activations) func gradientsMatchFiniteDifferences(activation: OutputActivation) {
    for number in 0..<6 {
      var draws = Draws(case: number)
      let (rows, inputs, outputs) = (draws.int(1...4), draws.int(1...5), draws.int(1...5))
      let x = draws.laidOut(draws.doubles(rows * inputs), shape: [rows, inputs])
      let weight = draws.laidOut(draws.doubles(outputs * inputs), shape: [outputs, inputs])
      let bias = Tensor(draws.doubles(outputs), shape: [outputs])
      expectGradientsMatchFiniteDifferences([x, weight, bias], "\(activation), \(draws)") {
        linear($0[0], weight: $0[1], bias: $0[2], activation: activation)
      }
      expectGradientsMatchFiniteDifferences([x, weight], "\(activation), \(draws)") {
        linear($0[0], weight: $0[1], bias: nil, activation: activation)
      }
    }
  }

  /// A leaf that is the input and the weight gets both gradients.
  @Test func oneLeafMayBeInputAndWeight() {
    let values: [Float] = [0.5, -1, 2, 0.25]
    let w = Self.leaf(values, [2, 2])
    linear(w, weight: w, bias: nil, activation: .tanh).sum().backward()
    let one = w.grad!.bits
    w.zeroGrad()
    Self.apart(w, w, nil, .float32, .tanh).sum().backward()
    #expect(w.grad!.bits == one)
  }

  /// Against the same rows as a matrix, also where x must be copied for that.
  @Test func axesInFrontAreRowsOfOneFunction() {
    var draws = Draws(case: 1)
    for shape: Shape in [[4], [2, 3, 4], [2, 1, 3, 4], [0, 3, 4]] {
      let x = draws.laidOut(draws.floats(shape.elementCount), shape: shape)
      x.requiresGrad = true
      let weight = Self.leaf(draws.floats(20), [5, 4])
      let bias = Self.leaf(draws.floats(5), [5])
      func gradients(_ y: Tensor, _ seed: Tensor) -> [[UInt32]] {
        for leaf in [x, weight, bias] { leaf.zeroGrad() }
        y.backward(seed: seed.viewed(as: y.shape))
        return [y.bits, x.grad!.bits, weight.grad!.bits, bias.grad!.bits]
      }
      let rows = shape.elementCount / 4
      let seed = Tensor(draws.floats(rows * 5), shape: [rows, 5])
      let y = linear(x, weight: weight, bias: bias)
      #expect(y.shape == shape.with(5, at: shape.count - 1))
      #expect(y.gradientFunction!.nextFunctions.allSatisfy { $0 == nil })
      let matrix = linear(x.reshaped([rows, 4] as Shape), weight: weight, bias: bias)
      #expect(gradients(y, seed) == gradients(matrix, seed))
      #expect(x.grad!.shape == shape)
    }
  }

  @Test func theGraphIsWalkedLikeTwoOps() {
    let (x, w) = (Self.leaf([1, 2], [1, 2]), Self.leaf([1, 2, 3, 4], [2, 2]))
    let inner = linear(x, weight: w, bias: nil)
    let last = linear(inner, weight: w, bias: nil, activation: .sigmoid).gradientFunction!
    #expect("\(last)" == "SigmoidBackward" && last.nextFunctions.count == 1)
    let product = last.nextFunctions[0]!
    #expect("\(product)" == "LinearBackward" && last.nextFunctions[0] === product)
    #expect(product.nextFunctions.count == 2)
    #expect(product.nextFunctions[0] === inner.gradientFunction && product.nextFunctions[1] == nil)
  }

  /// Also one whose inner functions were looked at.
  @Test(arguments: [false, true]) func aLongChainIsFreedWithoutOverflow(walked: Bool) {
    let w = Self.leaf([1], [1, 1])
    weak var first: GradientFunction?
    do {
      var y = linear(w, weight: w, bias: nil, activation: .relu)
      first = y.gradientFunction
      for _ in 0..<100_000 {
        y = linear(y, weight: w, bias: nil, activation: .relu)
        if walked { #expect(y.gradientFunction!.nextFunctions[0] != nil) }
      }
      #expect(first != nil)
    }
    #expect(first == nil)
  }

  @Test func onlyTheResultIsKept() {
    weak var storage: Storage?
    let (x, w) = (Self.leaf([1, 2], [1, 2]), Self.leaf([1, 2, 3, 4], [2, 2]))
    do {
      let y = linear(x, weight: w, bias: nil, activation: .tanh)
      storage = y.storage
      y.sum().backward()
      #expect(storage != nil)
    }
    #expect(storage == nil)
  }

  /// 1 is what a backward pass begins with; other factors are computed with anew.
  @Test func squaredErrorTakesAnyFactorAndPassesAgain() {
    for number in 0..<20 {
      var draws = Draws(case: number)
      let count = draws.int(1...40)
      let (a, b) = (draws.floats(count), draws.floats(count))
      let (x, y) = (Self.leaf(a, [count]), Self.leaf(b, [count]))
      let factor = draws.pick([1, 0.5, -3] as [Float])
      let loss = meanSquaredError(x, y)
      loss.backward(seed: Tensor(scalar: factor), retainGraph: true)
      let scale = Float(Double(factor) / Double(count))
      let expected = zip(a, b).map { 2 * ($0 - $1) * scale }
      #expect(x.grad!.bits == expected.bits, "\(draws)")
      loss.backward(seed: Tensor(scalar: factor))
      #expect(x.grad!.values(Float.self) == expected.map { $0 + $0 })
      expectClose(y.grad!, expected.map { -2 * Double($0) }, shape: [count]) { _ in 1e-6 }
    }
  }

  static let contracts = [
    BrokenContract(
      "result changed",
      "backward: SigmoidBackward needs its result as it was, but it has been changed in place since"
    ) {
      let (x, w) = (leaf([1, 2], [1, 2]), leaf([1, 2, 3, 4], [2, 2]))
      let y = linear(x, weight: w, bias: nil, activation: .sigmoid)
      y.detached().assign(0, where: Tensor([[true, true]]))
      y.sum().backward()
    },
    BrokenContract(
      "weight changed",
      "backward: ReluBackward needs its input 1 as it was, but it has been changed in place since"
    ) {
      let (x, w) = (leaf([1, 2], [1, 2]), leaf([1, 2, 3, 4], [2, 2]))
      let y = linear(x, weight: w, bias: nil, activation: .relu)
      noGrad { w.assign(0, where: w .> 1) }
      y.sum().backward()
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in LinearActivationTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
