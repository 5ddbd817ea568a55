import Autograd
import Layers
import System
import Tensors
import TestSupport
import Testing

/// The notebooks' own classes against PyTorch's (Golden/networks.py).
struct NetworkTests {
  struct Packed: Decodable {
    let shape: [Int]
    let values: [Float]
    var tensor: Tensor { Tensor(values, shape: Shape(shape)) }
  }
  struct Known: Decodable {
    let printed: String
    let names: [String]
    let parameters, gradients: [Packed]
    let constants: [String: Packed]
    let input, output, seed: Packed
    let inputGradient: Packed?
    let activations: [String: Packed]
    let forecast: Packed?
    let generated: [[Int]]?
    let labels: Packed?
    let crossEntropy: Double?
  }

  static func network(_ name: String) -> (any Module)? {
    switch name {
    case "rings":
      ClassifierNet(
        inputs: 2, outputs: 1, hiddenLayers: 1, nodes: 3, activation: Sigmoid(),
        outputActivation: Sigmoid())
    case "wave":
      ClassifierNet(inputs: 1, outputs: 1, hiddenLayers: 1, nodes: 10, activation: Sigmoid())
    case "deep":
      ClassifierNet(
        inputs: 3, outputs: 2, hiddenLayers: 3, nodes: 4, activation: ReLU(),
        outputActivation: Softmax(axis: 1))
    case "binary":
      ClassifierNet(
        inputs: 1, outputs: 1, hiddenLayers: 1, nodes: 10, activation: Sigmoid(),
        binaryThreshold: 0.5)
    case "autoencoder": Autoencoder(inputs: 6, hidden: 3, image: [1, 3, 2])
    case "elman": ElmanNetwork(inputSize: 1, hiddenSize: 4, outputSize: 1)
    case "elman relu":
      ElmanNetwork(inputSize: 3, hiddenSize: 5, outputSize: 2, activation: .relu)
    case "parabola": Parabola()
    case "point": Point(start: 1)
    case "sequence rnn": SequenceNet(cell: .tanh, inputSize: 2, hiddenSize: 4, outputSize: 2)
    case "sequence relu": SequenceNet(cell: .relu, inputSize: 1, hiddenSize: 4, outputSize: 1)
    case "sequence lstm":
      SequenceNet(cell: .lstm, inputSize: 1, hiddenSize: 3, outputSize: 1, layerCount: 2)
    case "sequence gru": SequenceNet(cell: .gru, inputSize: 1, hiddenSize: 3, outputSize: 1)
    case "sequence both":
      SequenceNet(cell: .gru, inputSize: 2, hiddenSize: 3, outputSize: 1, isBidirectional: true)
    case "series autoencoder":
      SequenceAutoencoder(cell: .gru, features: 3, length: 4, hiddenSize: 2, image: [1, 4, 3])
    case "series autoencoder lstm":
      SequenceAutoencoder(cell: .lstm, features: 2, length: 3, hiddenSize: 4)
    case "seq2seq": Seq2Seq(cell: .lstm, symbols: 4, hiddenSize: 8)
    case "seq2seq gru": Seq2Seq(cell: .gru, symbols: 4, hiddenSize: 6)
    default: nil
    }
  }

  private static let all = Result { try golden("networks.json", as: [String: Known].self) }

  static func known(_ name: String) throws -> Known { try #require(all.get()[name]) }

  /// The network with the golden parameters.
  static func filled(_ name: String) throws -> any Module {
    let (module, known) = (try #require(network(name)), try known(name))
    try #require(module.namedParameters.map(\.name) == known.names)
    for (parameter, packed) in zip(module.parameters, known.parameters) {
      try #require(Array(parameter.shape) == packed.shape)
      parameter.pointer(Float.self).update(from: packed.values, count: packed.values.count)
    }
    return module
  }

  static let names = [
    "rings", "wave", "deep", "binary", "autoencoder", "elman", "elman relu", "parabola", "point",
    "sequence rnn", "sequence relu", "sequence lstm", "sequence gru", "sequence both",
    "series autoencoder", "series autoencoder lstm", "seq2seq", "seq2seq gru",
  ]

  /// float32 on both sides, in other orders of summation: at most 12 steps in a chain, each some 10
  /// roundings of 6e-8, whose errors the weights (around 1) carry on: 1e-5 of the tensor's largest
  /// element, or of 1 where sums that cancel are smaller.
  private func expectPyTorchs(_ actual: Tensor, _ expected: Packed, _ context: String) {
    let scale = max(1, expected.values.map { abs(Double($0)) }.max() ?? 0)
    expectClose(
      actual, expected.values.map(Double.init), shape: Shape(expected.shape), context
    ) { _ in 1e-5 * scale }
  }

  @Test func theGoldenFileHoldsTheseNetworks() throws {
    #expect(try Self.all.get().keys.sorted() == Self.names.sorted())
  }

  @Test(arguments: names) func printsAndNamesArePyTorchs(name: String) throws {
    let (module, known) = (try #require(Self.network(name)), try Self.known(name))
    #expect(module.summary == known.printed)
    #expect(module.namedParameters.map(\.name) == known.names)
    #expect(module.parameters.map { Array($0.shape) } == known.parameters.map(\.shape))
    module.initialize(seed: 4)
    for parameter in module.namedParameters {
      let values = parameter.tensor.values(Float.self)
      if let constant = known.constants[parameter.name] {
        #expect(values == constant.values, "\(parameter.name)")
      } else {
        #expect(Set(values).count > values.count / 2, "\(parameter.name)")
      }
    }
  }

  @Test(arguments: names) func outputsAndGradientsArePyTorchs(name: String) throws {
    let (module, known) = (try Self.filled(name), try Self.known(name))
    let x = known.input.tensor
    x.requiresGrad = true
    let y = module(x)
    expectPyTorchs(y, known.output, "output")
    y.backward(seed: known.seed.tensor)
    for (parameter, gradient) in zip(module.namedParameters, known.gradients) {
      // None flows through a step; PyTorch's is then 0.
      expectPyTorchs(
        parameter.tensor.grad ?? Tensor(zeros: parameter.tensor.shape), gradient,
        "gradient of \(parameter.name)")
    }
    if let gradient = known.inputGradient {
      expectPyTorchs(x.grad ?? Tensor(zeros: x.shape), gradient, "gradient of the input")
    }
  }

  /// What PyTorch's forward hooks get.
  @Test(arguments: names) func everyModulesOutputIsPyTorchs(name: String) throws {
    let (module, known) = (try Self.filled(name), try Self.known(name))
    let names = known.activations.keys.sorted()
    let found = try ActivationRecorder.record(names, in: module) { module(known.input.tensor) }
    #expect(found.map(\.name) == names)
    for (name, output) in found {
      expectPyTorchs(output, known.activations[name]!, "'\(name)'")
    }
    // And no module is left out, but lists, which nobody calls.
    var all: [String] = []
    module.forEachModule { name, module in if !(module is ModuleList) { all.append(name) } }
    #expect(all.sorted() == names)
  }

  @Test(arguments: ["elman", "sequence rnn", "sequence relu", "sequence lstm", "sequence gru"])
  func aForecastIsTheSeriesRunAgainForEachStep(name: String) throws {
    let (module, known) = (try Self.filled(name), try Self.known(name))
    let forecaster = try #require(module as? any Forecaster)
    let warmUp = known.input.tensor.rows(0..<1)
    let forecast = try forecaster.forecast(warmUp: warmUp, steps: 4)
    expectPyTorchs(forecast, try #require(known.forecast), name)
    #expect(!forecast.requiresGrad)
    #expect(try forecaster.forecast(warmUp: warmUp, steps: 0).shape == [1, 0, warmUp.shape[2]])
    // Of several series at once.
    let both = try forecaster.forecast(warmUp: Tensor.cat([warmUp, warmUp * 2]), steps: 4)
    expectClose(both.rows(0..<1).asDoubles, forecast.asDoubles) { _ in 1e-5 }
  }

  @Test func networksThatCannotForecastSaySo() throws {
    let series = Tensor(zeros: [1, 3, 2])
    for network: any Forecaster in [
      ElmanNetwork(inputSize: 2, hiddenSize: 3, outputSize: 1),
      SequenceNet(cell: .gru, inputSize: 2, hiddenSize: 3, outputSize: 1),
    ] {
      expectFailure(
        .usage, "2 inputs and 1 outputs a step cannot run on its own outputs",
        remedy: "as many outputs as inputs"
      ) { _ = try network.forecast(warmUp: series, steps: 2) }
    }
    let both = SequenceNet(
      cell: .lstm, inputSize: 2, hiddenSize: 3, outputSize: 2, isBidirectional: true)
    expectFailure(.usage, "a bidirectional network cannot forecast") {
      _ = try both.forecast(warmUp: series, steps: 2)
    }
  }

  @Test(arguments: ["seq2seq", "seq2seq gru"]) func whatIsGeneratedIsPyTorchs(name: String) throws {
    let known = try Self.known(name)
    let module = try #require(try Self.filled(name) as? Seq2Seq)
    let expected = try #require(known.generated)
    #expect(Set(expected).count > 1 && expected.contains { Set($0).count > 1 })
    #expect(module.generate(source: known.input.tensor[Every(), 0]) == expected)
  }

  /// The scores are laid out as the loss wants them, and parts of the batch add up to its mean over
  /// samples and steps.
  @Test(arguments: ["seq2seq", "seq2seq gru"]) func crossEntropyOfSeriesIsPyTorchs(name: String)
    throws
  {
    let (module, known) = (try Self.filled(name), try Self.known(name))
    let (x, packed) = (known.input.tensor, try #require(known.labels))
    let labels = Tensor(packed.values.map { Int64($0) }, shape: Shape(packed.shape))
    let (rows, loss) = (labels.shape[0], CrossEntropyLoss())
    let parts = [0..<1, 1..<rows].map {
      loss(module(x.rows($0)), labels.rows($0), globalCount: rows).item()
    }
    // A sum of 24 terms in float32.
    let expected = try #require(known.crossEntropy)
    #expect(abs(parts[0] + parts[1] - expected) < 1e-5 * expected)
  }

  /// Over 300 steps the gradient of a network that forgets is still the network's (in float32 each
  /// step's rounding is damped by the weights).
  @Test func aLongSeriesIsThatOfItsLastSteps() {
    let net = ElmanNetwork(inputSize: 1, hiddenSize: 4, outputSize: 1)
    for parameter in net.parameters {
      noGrad { parameter.assign(parameter * 0.2) }
    }
    var draws = Draws(case: 9)
    let x = Tensor(draws.floats(300), shape: [1, 300, 1])
    let whole = net(x)
    #expect(whole.shape == [1, 300, 1])
    let end = net(x.narrow(axis: 1, start: 250, count: 50))
    #expect(abs(whole[0, -1, 0].item() - end[0, -1, 0].item()) < 1e-6)
    whole.sum().backward()
    #expect(net.parameters.allSatisfy { $0.grad!.asDoubles.allSatisfy { $0.isFinite } })
  }

  /// kaiming_uniform_: sqrt(2) sqrt(3 / fan-in).
  @Test func theElmanNetworksWeightsHaveKaimingsBounds() {
    let net = ElmanNetwork(inputSize: 6, hiddenSize: 24, outputSize: 50)
    net.initialize(seed: 1)
    let bounds = net.namedParameters.map { parameter in
      parameter.tensor.asDoubles.map { abs($0) }.max()!
    }
    // The largest of n uniform numbers is within 6 / n of the bound, but once in 400 times.
    for (found, (bound, count)) in zip(bounds, [(0.5, 576.0), (1, 144), (0.5, 1200)]) {
      #expect(found <= bound * (1 + 1e-6) && found > bound * (1 - 6 / count))
    }
    #expect(bounds[3...] == [0, 0])
  }

  /// The threshold may be set on a network that was trained without.
  @Test func aBinaryThresholdMakesHiddenActivationsZeroOrOne() {
    let net = ClassifierNet(inputs: 1, outputs: 1, hiddenLayers: 1, nodes: 1, activation: ReLU())
    for (parameter, value) in zip(net.parameters, [1, 0, 10, 3]) {
      noGrad { parameter.assign(Tensor.full(parameter.shape, Double(value))) }
    }
    let x = Tensor([-1, 0.5, 0.75, 2] as [Float], shape: [4, 1])
    #expect(net(x).values(Float.self) == [3, 8, 10.5, 23])
    net.binaryThreshold = 0.5
    #expect(net(x).values(Float.self) == [3, 3, 13, 13])
  }

  /// Gradient descent on x^2 from 1 with rate 0.1 (system S07): 0.8, 0.64, ...
  @Test func aPointsSquaredErrorAgainstZeroIsTheParabola() {
    let point = Point(start: 1)
    point.initialize(seed: 1)
    let zeros = Tensor(zeros: [4, 1])
    for step in 1...10 {
      point.zeroGrad()
      let loss = MSELoss()(point(zeros), zeros, globalCount: 4)
      let before = point.x.item()
      #expect(abs(loss.item() - before * before) < 1e-6)
      loss.backward()
      #expect(abs(point.x.grad!.item() - 2 * before) < 1e-6)
      noGrad { point.x.assign(point.x - 0.1 * point.x.grad!) }
      if step == 2 { #expect(abs(point.x.item() - 0.64) < 1e-6) }
    }
    #expect(abs(point.x.item() - 0.1073741824) < 1e-6)
  }

  /// None of them has dropout or remembers its batches.
  @Test(arguments: names) func bothModesAreAlikeAndNothingIsRemembered(name: String) throws {
    let module = try #require(Self.network(name))
    module.initialize(seed: 2)
    let x = try Self.known(name).input.tensor
    let trained = module(x).bits
    #expect(module.eval()(x).bits == trained && module.train()(x).bits == trained)
    #expect(module.namedBuffers.isEmpty)
  }

  @Test func dropoutAndBatchNormWorkInsideAClassifierNet() {
    let (dropout, norm) = (Dropout(0.5), BatchNorm1d(8))
    let net = ClassifierNet(
      inputs: 3, outputs: 2, hiddenLayers: 1, nodes: 8,
      activation: Sequential(norm, ReLU(), dropout))
    net.initialize(seed: 1)
    #expect(
      net.namedBuffers.map(\.name) == [
        "activation.0.running_mean", "activation.0.running_var", "activation.0.num_batches_tracked",
      ])
    var draws = Draws(case: 10)
    let x = Tensor(draws.floats(12), shape: [4, 3])
    func run(step: Int) -> [UInt32] {
      net.setRandomKey(RandomKey(seed: 1, step: step, samples: [0, 1, 2, 3]))
      return net(x).bits
    }
    let first = run(step: 1)
    #expect(run(step: 2) != first && run(step: 1) == first)
    net.eval()
    #expect(!dropout.isTraining && !norm.core.isTraining && run(step: 1) == run(step: 2))
  }

  static let contracts = [
    BrokenContract(
      "no hidden layer", "ClassifierNet: needs a hidden layer, not 0"
    ) {
      _ = ClassifierNet(inputs: 1, outputs: 1, hiddenLayers: 0, nodes: 1, activation: ReLU())
    },
    BrokenContract(
      "an image of another size",
      "Autoencoder: an image of shape [1, 28, 27] has 756 elements, not 784"
    ) { _ = Autoencoder(inputs: 784, hidden: 50, image: [1, 28, 27]) },
    BrokenContract(
      "a series of other features", "ElmanNetwork: input [1, 5, 2] must be [N, T, 1] with T > 0"
    ) {
      _ = ElmanNetwork(inputSize: 1, hiddenSize: 2, outputSize: 1)(Tensor(zeros: [1, 5, 2]))
    },
    BrokenContract(
      "a series without an axis of features",
      "SequenceNet: input [1, 5] must be [N, T, 1] with T > 0"
    ) {
      let net = SequenceNet(cell: .lstm, inputSize: 1, hiddenSize: 2, outputSize: 1)
      _ = net(Tensor(zeros: [1, 5]))
    },
    BrokenContract(
      "no series",
      "SequenceAutoencoder: an image of shape [1, 8, 8] is no series of 8 steps with 7 features"
    ) {
      _ = SequenceAutoencoder(
        cell: .gru, features: 7, length: 8, hiddenSize: 2, image: [1, 8, 8])
    },
    BrokenContract(
      "an image of other extents",
      "SequenceAutoencoder: input [5, 4, 16] must be samples of shape [1, 8, 8] or [8, 8]"
    ) {
      let net = SequenceAutoencoder(
        cell: .gru, features: 8, length: 8, hiddenSize: 2, image: [1, 8, 8])
      _ = net(Tensor(zeros: [5, 4, 16]))
    },
    BrokenContract(
      "no start token", "Seq2Seq: input [1, 2, 5, 3] must be [N, 2, T, 4] with T > 0"
    ) {
      _ = Seq2Seq(cell: .gru, symbols: 3, hiddenSize: 2)(Tensor(zeros: [1, 2, 5, 3]))
    },
    BrokenContract(
      "nothing to go on from", "forecast: a warm-up of shape [1, 0, 1] must be [N, T, 1]"
    ) {
      let net = ElmanNetwork(inputSize: 1, hiddenSize: 2, outputSize: 1)
      _ = try? net.forecast(warmUp: Tensor(zeros: [1, 0, 1]), steps: 2)
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in NetworkTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
