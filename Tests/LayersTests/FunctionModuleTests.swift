import Autograd
import Layers
import System
import Tensors
import TestSupport
import Testing

/// Calls of a forward method as modules of a list.
struct FunctionModuleTests {
  /// `ThreeBlue` of ../shared/golden/generate.py, as PyTorch prints it.
  @Test func functionsDoNotShowInTheSummary() {
    let net = Sequential(
      named: [
        ("scale", Divide(255)), ("flatten", Flatten()),
        ("layers", Sequential(Linear(784, 16), Sigmoid())), ("square", View([4, 4])),
      ], typeName: "ThreeBlue")
    #expect(
      net.summary == """
        ThreeBlue(
          (flatten): Flatten(start_dim=1, end_dim=-1)
          (layers): Sequential(
            (0): Linear(in_features=784, out_features=16, bias=True)
            (1): Sigmoid()
          )
        )
        """)
    #expect(net.namedParameters.map(\.name) == ["layers.0.weight", "layers.0.bias"])
    #expect(net(Tensor(zeros: [3, 1, 28, 28])).shape == [3, 4, 4])
    #expect(Sequential(Divide(2)).summary == "Sequential()")
    #expect(Sequential(Divide(2)).children[0].module.summary == "Divide(2)")
  }

  /// 7 / 255 and 7 (1 / 255) are different float32 numbers.
  @Test func divideRoundsOnceAndItsGradientIsOneOverTheDivisor() {
    let x = Tensor([0, 7, 255] as [Float], shape: [3])
    x.requiresGrad = true
    let y = Divide(255)(x)
    let (quotient, inverse) = (Float(7) / Float(255), Float(1) / Float(255))
    #expect(y.values(Float.self) == [0, quotient, 1])
    #expect(quotient != Float(7) * inverse)
    y.sum().backward()
    #expect(x.grad!.values(Float.self) == [inverse, inverse, inverse])
    let pixels = Divide(255)(Tensor([51, 255] as [UInt8], shape: [2]))
    #expect(pixels.dtype == .float32 && pixels.values(Float.self) == [Float(0.2), 1])
  }

  @Test func viewKeepsTheSamples() {
    let x = Tensor((0..<12).map { Float($0) }, shape: [2, 6])
    x.requiresGrad = true
    let y = View([1, 2, 3])(x)
    #expect(y.shape == [2, 1, 2, 3] && y.asDoubles == x.asDoubles)
    (y * y).sum().backward()
    #expect(x.grad!.asDoubles == x.asDoubles.map { 2 * $0 })
    #expect(View([])(Tensor(zeros: [5, 1])).shape == [5])
    #expect(View([2, 0])(Tensor(zeros: [0, 0])).shape == [0, 2, 0])
  }

  /// Rectified before the largest is taken, or after: Sequential chooses, unless somebody looks.
  @Test func rectifyingBehindPoolingIsTheSameToTheBit() throws {
    for number in 0..<20 {
      var draws = Draws(case: number)
      let shape: Shape = [2, draws.int(1...3), draws.int(2...9), draws.int(2...9)]
      let values = (0..<shape.elementCount).map { _ -> Float in
        draws.int(0...30) == 0 ? draws.pick([.nan, -0.0, .infinity]) : Float(draws.int(-2...2))
      }
      let kernel: HeightWidth = draws.pick([2, 1, HeightWidth(2, 1)])
      let net = Sequential(ReLU(), MaxPool2d(kernel))
      func run(_ forward: (Tensor) -> Tensor) -> (Tensor, Tensor) {
        let x = Tensor(values, shape: shape)
        x.requiresGrad = true
        let y = forward(x)
        y.backward(seed: Tensor((0..<y.elementCount).map { Float($0 + 1) }, shape: y.shape))
        return (y, x.grad!)
      }
      let (y, dx) = run { net($0) }
      let (expected, gradient) = run { MaxPool2d(kernel)(ReLU()($0)) }
      #expect(y.bits == expected.bits && dx.bits == gradient.bits, "\(draws) \(shape)")
      // Somebody who looks sees the rectified images.
      let x = Tensor(values, shape: shape)
      let seen = try ActivationRecorder.record(["0", "1"], in: net) { net(x) }
      #expect(seen[0].output.bits == x.relu().bits && seen[1].output.bits == y.bits)
    }
  }

  /// Convolutions pool as they go, unless somebody looks. Of small whole numbers every sum is exact, in
  /// whatever order: forward and the input's gradient are the same.
  @Test func poolingWithTheConvolutionIsTheSameToTheBit() throws {
    let layers: [any Module] = [
      Conv2d(1, 4, kernel: 3, seed: 1), ReLU(), MaxPool2d(2), Conv2d(4, 6, kernel: 2, seed: 2),
      MaxPool2d(2), Conv2d(6, 3, kernel: 1, seed: 3), ReLU(),
    ]
    let net = Sequential(named: layers.enumerated().map { ("\($0)", $1) })
    var draws = Draws(case: 1)
    for parameter in net.parameters {
      for i in 0..<parameter.elementCount {
        parameter.pointer(Float.self)[i] = Float(draws.int(-2...2))
      }
    }
    let values = (0..<3 * 144).map { _ in Float(draws.int(-3...3)) }
    func run(_ forward: (Tensor) -> Tensor) -> (y: Tensor, dx: Tensor) {
      let x = Tensor(values, shape: [3, 1, 12, 12])
      x.requiresGrad = true
      let y = forward(x)
      y.backward(seed: Tensor((0..<y.elementCount).map { Float($0 + 1) }, shape: y.shape))
      return (y, x.grad!)
    }
    let joined = run { net($0) }
    let apart = run { layers.reduce($0) { $1($0) } }
    #expect(joined.y.bits == apart.y.bits && joined.dx.bits == apart.dx.bits)
    #expect(joined.y.shape == [3, 3, 2, 2] && apart.dx.values(Float.self).contains { $0 != 0 })
    let seen = try ActivationRecorder.record(["0", "4"], in: net) {
      net(Tensor(zeros: [1, 1, 12, 12]))
    }
    #expect(seen[0].output.shape == [1, 4, 10, 10] && seen[1].output.shape == [1, 6, 2, 2])
  }

  static let contracts = [
    BrokenContract(
      "a view of another size",
      "View: a sample of shape [784] has 784 elements, [28, 27] has 756"
    ) { _ = View([28, 27])(Tensor(zeros: [2, 784])) },
    BrokenContract("an open extent", "View: [-1, 2] is no shape of a sample") {
      _ = View([-1, 2])
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in FunctionModuleTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
