import Autograd
import Layers
import System
import Tensors
import TestSupport
import Testing

/// Recurrent modules and attention against PyTorch's (Golden/recurrent.py).
struct RecurrentLayerTests {
  struct Packed: Decodable {
    let shape: [Int]
    let values: [Float]
    var tensor: Tensor { Tensor(values, shape: Shape(shape)) }
  }
  struct Call: Decodable {
    let input: Packed
    let outputs: [Packed]
  }
  struct Known: Decodable {
    let printed: String
    let names, zeros: [String]
    let parameters: [Packed]
    let calls: [Call]
  }

  static func network(_ name: String) -> (any Module)? {
    switch name {
    case "rnn": RNN(3, 4)
    case "rnn relu": RNN(3, 4, layerCount: 2, activation: .relu, isBatchFirst: true)
    case "lstm": LSTM(3, 4)
    case "lstm both": LSTM(3, 2, layerCount: 2, isBatchFirst: true, isBidirectional: true)
    case "lstm no bias": LSTM(2, 3, layerCount: 2, bias: false)
    case "gru": GRU(3, 4, isBidirectional: true)
    case "gru deep": GRU(2, 3, layerCount: 3, isBatchFirst: true)
    case "attention": MultiheadAttention(4, headCount: 2)
    case "attention batch first":
      MultiheadAttention(6, headCount: 3, bias: false, isBatchFirst: true)
    default: nil
    }
  }

  /// All that a call returns.
  private func outputs(_ module: any Module, _ x: Tensor) -> [Tensor] {
    switch module {
    case let module as RNN:
      let (y, state) = module(x, state: nil)
      return [y, state]
    case let module as GRU:
      let (y, state) = module(x, state: nil)
      return [y, state]
    case let module as LSTM:
      let (y, state) = module(x, state: nil)
      return [y, state.hidden, state.memory!]
    case let module as MultiheadAttention:
      let (y, attention) = module(query: x, key: x, value: x)
      return [y, attention]
    default: return []
    }
  }

  /// At most 5 steps in float32, some 20 roundings each, and scores of attention up to 20 or so, whose
  /// error is the relative error of a probability: 1e-5.
  @Test func printsNamesShapesAndOutputsArePyTorchs() throws {
    let networks = try golden("recurrent.json", as: [String: Known].self)
    #expect(networks.count == 9)
    for (name, known) in networks {
      let module = try #require(Self.network(name), "no network '\(name)' in this test")
      #expect(module.summary == known.printed)
      #expect(module.namedParameters.map(\.name) == known.names)
      #expect(
        module.namedParameters.map { Array($0.tensor.shape) } == known.parameters.map(\.shape))
      module.initialize(seed: 1)
      for parameter in module.namedParameters {
        let isZero = parameter.tensor.values(Float.self).allSatisfy { $0 == 0 }
        #expect(isZero == known.zeros.contains(parameter.name), "\(name), \(parameter.name)")
      }
      for (parameter, packed) in zip(module.namedParameters, known.parameters) {
        parameter.tensor.pointer(Float.self).update(
          from: packed.values, count: packed.values.count)
      }
      for call in known.calls {
        let x = call.input.tensor
        let results = outputs(module, x)
        #expect(results.count == call.outputs.count)
        for (result, expected) in zip(results, call.outputs) {
          expectClose(
            result, expected.values.map(Double.init), shape: Shape(expected.shape),
            "\(name) of \(x.shape)"
          ) { 1e-5 * max(1, abs(Double(expected.values[$0]))) }
        }
        // The single-tensor form is the outputs.
        #expect(module(x).bits == results[0].bits)
      }
    }
  }

  /// A series in two halves, the state handed on, is the series in one.
  @Test func aStateContinuesASeries() {
    var draws = Draws(case: 4)
    let x = Tensor(draws.floats(8 * 2 * 3), shape: [8, 2, 3])
    for name in ["rnn", "lstm"] {
      let module = Self.network(name)!
      module.initialize(seed: 2)
      let whole = module(x).values(Float.self)
      let halves: [Tensor]
      if let lstm = module as? LSTM {
        let first = lstm(x.rows(0..<4), state: nil)
        halves = [first.output, lstm(x.rows(4..<8), state: first.state).output]
      } else {
        let rnn = module as! RNN
        let first = rnn(x.rows(0..<4), state: nil)
        halves = [first.output, rnn(x.rows(4..<8), state: first.state).output]
      }
      expectClose(
        halves.flatMap { $0.asDoubles }, whole.map(Double.init), name
      ) { _ in 1e-6 }
    }
    // And of one sample, whose state has no axis of samples.
    let gru = GRU(3, 4)
    gru.initialize(seed: 3)
    let sample = Tensor(draws.floats(4 * 3), shape: [4, 3])
    let first = gru(sample.rows(0..<2), state: nil)
    #expect(first.state.shape == [1, 4])
    let second = gru(sample.rows(2..<4), state: first.state)
    expectClose(
      first.output.asDoubles + second.output.asDoubles, gru(sample).asDoubles
    ) { _ in 1e-6 }
  }

  @Test func parametersAreUniformWithinOneOverRootHidden() {
    for module: any Module in [RNN(3, 64), LSTM(3, 64, isBidirectional: true), GRU(3, 64)] {
      #expect(
        module.namedParameters.allSatisfy { $0.initializer == .uniform(bound: 1 / 8) })
    }
    // xavier_uniform_ of [3 E, E]: sqrt(6 / 4 E).
    let attention = MultiheadAttention(24, headCount: 2)
    #expect(
      attention.namedParameters.map(\.initializer) == [
        .uniform(bound: 0.25), .uniform(bound: 0), .defaultUniform(fanIn: 24), .uniform(bound: 0),
      ])
  }

  static let contracts = [
    BrokenContract(
      "heads", "MultiheadAttention: 5 features cannot be shared between 2 heads"
    ) { _ = MultiheadAttention(5, headCount: 2) },
    BrokenContract(
      "a series without features", "a recurrent network takes [N, T, F] or [T, F], not [4]"
    ) { _ = GRU(4, 4, isBatchFirst: true)(Tensor(zeros: [4])) },
    BrokenContract(
      "no layers", "a recurrent network needs layers and hidden features, not 0 and 4"
    ) { _ = LSTM(4, 4, layerCount: 0) },
    BrokenContract(
      "one sample among many",
      "MultiheadAttention: query [2, 4], key [1, 2, 4] and value [1, 2, 4] must all have 3 axes"
    ) {
      let key = Tensor(zeros: [1, 2, 4])
      _ = MultiheadAttention(4, headCount: 2)(query: Tensor(zeros: [2, 4]), key: key, value: key)
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in RecurrentLayerTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
