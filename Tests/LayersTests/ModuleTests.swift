import Autograd
import Foundation
import Layers
import System
import Tensors
import TestSupport
import Testing

struct ModuleTests {
  private struct Known: Decodable {
    let printed: String
    let names: [String]
    let shapes: [[Int]]
  }

  /// The networks of Golden/modules.py.
  static func network(_ name: String) -> (any Module)? {
    switch name {
    case "linear": Linear(3, 2)
    case "linear without bias": Linear(3, 2, bias: false)
    case "flatten": Flatten()
    case "flatten other axes": Flatten(startAxis: 0, endAxis: 2)
    case "relu": ReLU()
    case "empty": Sequential()
    case "fashion-linear": Sequential(Flatten(), Linear(784, 10))
    case "quickstart":
      Sequential(
        named: [
          ("flatten", Flatten()),
          (
            "linear_relu_stack",
            Sequential(Linear(784, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 10))
          ),
        ], typeName: "NeuralNetwork")
    case "nested":
      Sequential(named: [
        (
          "body",
          Sequential(named: [
            ("first", Linear(4, 3, bias: false)), ("inner", Sequential(ReLU(), Linear(3, 3))),
          ])
        ), ("head", Linear(3, 2)),
      ])
    default: nil
    }
  }

  @Test func printsNamesAndShapesAreThoseOfPyTorch() throws {
    let networks = try golden("modules.json", as: [String: Known].self)
    #expect(networks.count == 9)
    for (name, known) in networks {
      let module = try #require(Self.network(name), "no network '\(name)' in this test")
      #expect(module.summary == known.printed)
      #expect(module.namedParameters.map(\.name) == known.names)
      #expect(module.namedParameters.map { Array($0.tensor.shape) } == known.shapes)
      #expect(module.parameterCount == known.shapes.reduce(0) { $0 + $1.reduce(1, *) })
    }
  }

  @Test func theLinearClassifierByHand() {
    let module = Sequential(Flatten(), Linear(784, 10))
    #expect(module.namedParameters.map(\.name) == ["1.weight", "1.bias"])
    #expect(module.parameterCount == 7850)
    #expect(
      module.summary == """
        Sequential(
          (0): Flatten(start_dim=1, end_dim=-1)
          (1): Linear(in_features=784, out_features=10, bias=True)
        )
        """)
  }

  @Test func everyParameterIsADifferentiableLeafWithValuesFromTheBeginning() {
    for parameter in Self.network("quickstart")!.namedParameters {
      #expect(parameter.tensor.requiresGrad && parameter.tensor.gradientFunction == nil)
      #expect(Set(parameter.tensor.values(Float.self)).count > parameter.tensor.elementCount / 2)
    }
  }

  @Test func sequentialPassesItsInputThroughItsChildrenInOrder() {
    let first = Linear(2, 2)
    let module = Sequential(Flatten(), first, ReLU())
    first.weight.pointer(Float.self).update(from: [1, 2, 3, -4], count: 4)
    first.bias!.pointer(Float.self).update(from: [10, 1], count: 2)
    let y = module(Tensor([1, 2, -30, 1] as [Float], shape: [2, 2, 1]))
    #expect(y.shape == [2, 2])
    #expect(y.values(Float.self) == [15, 0, 0, 0])  // 1 + 4 + 10, 3 - 8 + 1, -30 + 2 + 10, -93
    #expect(Sequential()(y) === y)
  }

  @Test func flattenKeepsTheFirstAxis() {
    #expect(Flatten()(Tensor(zeros: [16, 128, 1, 2])).shape == [16, 256])
    #expect(Flatten(startAxis: 0, endAxis: 1)(Tensor(zeros: [2, 3, 4])).shape == [6, 4])
  }

  @Test func crossEntropyLossesOfPartsAddUpToTheMean() {
    var draws = Draws(case: 1)
    let logits = Tensor(draws.doubles(50), shape: [5, 10])
    let targets = Tensor([3, 1, 4, 1, 5] as [Int64], shape: [5])
    let loss = CrossEntropyLoss()
    let whole = loss(logits, targets, globalCount: 5).item()
    let parts = [0..<2, 2..<5].map {
      loss(logits.rows($0), targets.rows($0), globalCount: 5).item()
    }
    #expect(abs(parts[0] + parts[1] - whole) < 1e-14)
  }

  static let contracts = [
    BrokenContract(
      "one name twice", #"two children of a Sequential share a name: ["a", "b", "a"]"#
    ) { _ = Sequential(named: [("a", ReLU()), ("b", ReLU()), ("a", ReLU())]) },
    BrokenContract(
      "an image into a linear layer",
      "linear: input [16, 128, 1, 1] does not fit weight [10, 128]"
    ) { _ = Linear(128, 10)(Tensor(zeros: [16, 128, 1, 1])) },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in ModuleTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
