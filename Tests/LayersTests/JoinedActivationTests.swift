import Autograd
import Layers
import Tensors
import TestSupport
import Testing

/// Networks compute a linear layer and its activation at once. Where a recorder looks at what lies between
/// they do not: the twin.
struct JoinedActivationTests {
  private static func networks() -> [any Module] {
    [
      Sequential(Linear(6, 5), ReLU(), Linear(5, 4), Tanh(), Linear(4, 70), Sigmoid()),
      Sequential(ReLU(), Linear(6, 5, bias: false), Sigmoid(), Sigmoid(), Linear(5, 3)),
      Sequential(Sequential(Linear(6, 3)), ReLU(), Linear(3, 3), GELU()),
      Autoencoder(inputs: 6, hidden: 2, image: [2, 3]),
      ClassifierNet(
        inputs: 6, outputs: 2, hiddenLayers: 2, nodes: 3, activation: Sigmoid(),
        outputActivation: Tanh()),
      ClassifierNet(inputs: 6, outputs: 2, hiddenLayers: 1, nodes: 3, activation: SiLU()),
    ]
  }

  @Test func bitsAreThoseOfModulesOneAfterTheOther() throws {
    for (number, network) in Self.networks().enumerated() {
      network.initialize(seed: 3)
      var draws = Draws(case: number)
      let x = Tensor(draws.floats(7 * 6), shape: [7, 6])
      func bits(_ y: Tensor) -> [[UInt32]] {
        let parameters = network.namedParameters.map(\.tensor)
        for parameter in parameters { parameter.zeroGrad() }
        meanSquaredError(y, Tensor.zerosLike(y)).backward()
        return [y.bits] + parameters.map { $0.grad!.bits }
      }
      let apart = try ActivationRecorder.record([""], in: network) { network(x) }[0].output
      #expect(bits(network(x)) == bits(apart), "network \(number)")
    }
  }

  @Test func aRecorderSeesWhatLiesBetween() throws {
    let network = Sequential(Linear(2, 2), ReLU())
    let x = Tensor([[1.0, -2]])
    let found = try ActivationRecorder.record(["0", "1"], in: network) { network(x) }
    #expect(found[1].output.bits == network(x).bits)
    #expect(found[1].output.bits == found[0].output.relu().bits)
    #expect(found[0].output.bits == (network.children[0].module)(x).bits)
  }

  /// Modules that follow a linear layer but do more than a function of it stay modules.
  @Test func graphsWalkAsTheModulesStand() {
    let network = Sequential(Linear(2, 2), Sigmoid(), Linear(2, 2), GELU())
    var names: [String] = []
    var next = network(Tensor([[1.0, -2]])).gradientFunction
    while let function = next {
      names.append("\(function)")
      next = function.nextFunctions.compactMap { $0 }.first
    }
    #expect(
      names == ["GeluBackward", "LinearBackward", "SigmoidBackward", "LinearBackward"])
  }
}
