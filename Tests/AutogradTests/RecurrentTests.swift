import Autograd
import Kernels
import Tensors
import TestSupport
import Testing

/// Recurrent networks and attention against PyTorch's (Golden/recurrent.py) and finite differences.
struct RecurrentTests {
  static let cells: [String: RecurrentCell] = [
    "tanh": .tanh, "relu": .relu, "lstm": .lstm, "gru": .gru,
  ]

  /// x, the states, then each layer's weights as PyTorch lists them.
  private static func run(
    _ cell: RecurrentCell, _ x: [Tensor], states: Int, hasBias: Bool, isBidirectional: Bool
  ) -> [Tensor] {
    let step = hasBias ? 4 : 2
    let layers = stride(from: 1 + states, to: x.count, by: step).map { i in
      RecurrentWeights(
        input: x[i], hidden: x[i + 1], inputBias: hasBias ? x[i + 2] : nil,
        hiddenBias: hasBias ? x[i + 3] : nil)
    }
    let state =
      states == 0 ? nil : RecurrentState(hidden: x[1], memory: states == 2 ? x[2] : nil)
    let run = recurrent(
      cell, x[0], state: state, layers: layers, isBidirectional: isBidirectional)
    let end = run.state
    return [run.output, end.hidden] + (end.memory.map { [$0] } ?? [])
  }

  private static func attend(_ x: [Tensor], heads: Int, hasBias: Bool, hasMask: Bool) -> [Tensor] {
    let w = Array(x[(hasMask ? 4 : 3)...])
    let weights = AttentionWeights(
      input: w[0], inputBias: hasBias ? w[1] : nil, output: w[hasBias ? 2 : 1],
      outputBias: hasBias ? w[3] : nil)
    let (output, attention) = multiheadAttention(
      query: x[0], key: x[1], value: x[2], weights: weights, headCount: heads,
      mask: hasMask ? x[3] : nil)
    return [output, attention]
  }

  /// Some 20 roundings of 2^-24 a step, over at most 7 steps through which they neither grow much nor
  /// die out; 50 steps in the longest cases: 1e-5 of the largest element.
  @Test func valuesAndGradientsArePyTorchs() throws {
    let cases = try golden("recurrent.json", as: [PyTorchCase].self)
    var compared = 0
    for known in cases {
      compared += known.check(relative: 1e-5) { x in
        if let cell = Self.cells[known.op] {
          return Self.run(
            cell, x, states: known.int("states")!, hasBias: known.flag("bias"),
            isBidirectional: known.flag("both"))
        }
        return Self.attend(
          x, heads: known.int("heads")!, hasBias: known.flag("bias"), hasMask: known.flag("mask"))
      }
    }
    #expect(Set(cases.map(\.op)) == Set(Self.cells.keys).union(["attention"]))
    // 50 steps of every cell are among them, in both dtypes.
    #expect(cases.count { $0.inputs[0].shape == [50, 1, 1] } == 8)
    #expect(compared >= 600, "\(compared) tensors")
  }

  private func leaf(_ shape: Shape, _ draws: inout Draws) -> Tensor {
    draws.laidOut(draws.doubles(shape.elementCount), shape: shape)
  }

  @Test(arguments: ["tanh", "relu", "lstm", "gru"], [false, true])
  func recurrentGradientsMatchFiniteDifferences(name: String, isBidirectional: Bool) {
    let cell = Self.cells[name]!
    for number in 0..<4 {
      var draws = Draws(case: number)
      let (t, n, f, h) = (draws.int(1...3), draws.int(1...2), draws.int(1...3), draws.int(1...2))
      let (layers, directions) = (draws.int(1...2), isBidirectional ? 2 : 1)
      let states = number % 2 == 0 ? 0 : cell == .lstm ? 2 : 1
      var inputs = [leaf([t, n, f], &draws)]
      for _ in 0..<states { inputs.append(leaf([layers * directions, n, h], &draws)) }
      for index in 0..<layers * directions {
        let fanIn = index < directions ? f : directions * h
        inputs.append(leaf([cell.gateCount * h, fanIn], &draws))
        inputs.append(leaf([cell.gateCount * h, h], &draws))
        inputs.append(Tensor(draws.doubles(cell.gateCount * h), shape: [cell.gateCount * h]))
        inputs.append(Tensor(draws.doubles(cell.gateCount * h), shape: [cell.gateCount * h]))
      }
      // All the outputs at once, each with weights of its own.
      let scales = (0..<3).map { _ in draws.double() }
      expectGradientsMatchFiniteDifferences(inputs, "\(name), \(draws)") { x in
        let outputs = Self.run(
          cell, x, states: states, hasBias: true, isBidirectional: isBidirectional)
        return zip(outputs, scales).map { ($0.square() * $1).sum() }.reduce(
          Tensor(scalar: 0.0)
        ) { $0 + $1 }
      }
    }
  }

  @Test func attentionGradientsMatchFiniteDifferences() {
    for (number, masked) in [false, true, false, true].enumerated() {
      var draws = Draws(case: number)
      let (l, s, n) = (draws.int(1...3), draws.int(2...3), draws.int(1...2))
      var inputs = [leaf([n, l, 4], &draws), leaf([n, s, 4], &draws), leaf([n, s, 4], &draws)]
      if masked { inputs.append(leaf([l, s], &draws)) }
      inputs += [
        leaf([12, 4], &draws), Tensor(draws.doubles(12), shape: [12]), leaf([4, 4], &draws),
        Tensor(draws.doubles(4), shape: [4]),
      ]
      expectGradientsMatchFiniteDifferences(inputs, "\(draws)") { x in
        let outputs = Self.attend(x, heads: 2, hasBias: true, hasMask: masked)
        return outputs[0].square().sum() + outputs[1].square().sum()
      }
    }
  }

  /// The kernel of all steps against one operation after the other: the same chains and the same
  /// functions, so the same bits; but weights' gradients, one chain over all steps, where the twin adds a
  /// rounded product at each.
  @Test(
    .enabled(if: !Kernels.matmulBitsDependOnExtents, "this processor has no fused multiply-add"),
    arguments: [RecurrentCell.tanh, .relu], [false, true])
  func plainRecurrencesAreTheirStepsBitForBit(cell: RecurrentCell, isBidirectional: Bool) {
    for number in 0..<48 {
      var draws = Draws(case: number)
      let (t, n) = (draws.pick([1, 2, 7, 40]), draws.pick([1, 2, 3, 4, 5, 9]))
      let (f, h) = (draws.int(1...3), draws.pick([1, 2, 4, 5, 8, 13, 15, 16, 17, 32, 33, 50]))
      let (hasBias, directions) = (number % 3 > 0, isBidirectional ? 2 : 1)
      var values = [(draws.floats(t * n * f), [t, n, f] as Shape)]
      values.append((draws.floats(directions * n * h), [directions, n, h]))
      for _ in 0..<directions {
        values.append((draws.floats(h * f), [h, f]))
        values.append((draws.floats(h * h).map { $0 / Float(h).squareRoot() }, [h, h]))
        for _ in 0..<(hasBias ? 2 : 0) { values.append((draws.floats(h), [h])) }
      }
      let weighting = Tensor(draws.floats(t * n * directions * h), shape: [t, n, directions * h])
      func run(stepByStep: Bool) -> (outputs: [Tensor], gradients: [Tensor]) {
        let inputs = values.map { Tensor($0.0, shape: $0.1) }
        for input in inputs { input.requiresGrad = true }
        let step = hasBias ? 4 : 2
        let layers = stride(from: 2, to: inputs.count, by: step).map { i in
          RecurrentWeights(
            input: inputs[i], hidden: inputs[i + 1], inputBias: hasBias ? inputs[i + 2] : nil,
            hiddenBias: hasBias ? inputs[i + 3] : nil)
        }
        let recurrence = recurrent(
          cell, inputs[0], state: RecurrentState(hidden: inputs[1]), layers: layers,
          isBidirectional: isBidirectional, stepByStep: stepByStep)
        let (output, end) = (recurrence.output, recurrence.state)
        ((output * weighting).sum() + (end.hidden * end.hidden).sum()).backward()
        return ([output, end.hidden], inputs.map { $0.grad! })
      }
      let (kernel, steps) = (run(stepByStep: false), run(stepByStep: true))
      let what = "\(draws) T \(t) N \(n) F \(f) H \(h)"
      for (a, b) in zip(kernel.outputs, steps.outputs) { #expect(a.bits == b.bits, "\(what)") }
      // Of x and of the state before the first step.
      for i in 0..<2 {
        #expect(
          kernel.gradients[i].values(Float.self) == steps.gradients[i].values(Float.self), "\(what)"
        )
      }
      for (a, b) in zip(kernel.gradients, steps.gradients).dropFirst(2) {
        let largest = b.asDoubles.map(abs).max()!
        expectClose(a, b.asDoubles, shape: b.shape, what) { _ in
          Double(t * n + 1) * 0x1p-23 * max(largest, 1)
        }
      }
    }
  }

  /// An infinite feature makes others infinite or 0, and not what lies behind them in a register.
  @Test(arguments: [2, 3, 5, 13, 15, 17])
  func infiniteStatesAreThoseOfSingleSteps(hidden h: Int) {
    func run(stepByStep: Bool) -> (Tensor, Tensor) {
      var draws = Draws(case: h)
      func parameter(_ shape: Shape) -> Tensor {
        let values = draws.floats(shape.elementCount).map { $0 == 0 ? 1 : $0 }
        let tensor = Tensor(values, shape: shape)
        tensor.requiresGrad = true
        return tensor
      }
      let weights = RecurrentWeights(input: parameter([h, 1]), hidden: parameter([h, h]))
      let start = Tensor(
        (0..<5 * h).map { $0 % h == 0 ? Float.infinity : 0.5 }, shape: [1, 5, h])
      let x = Tensor(draws.floats(10), shape: [2, 5, 1])
      x.requiresGrad = true
      let output = recurrent(
        .relu, x, state: RecurrentState(hidden: start), layers: [weights], isBidirectional: false,
        stepByStep: stepByStep
      ).output
      output.sum().backward()
      return (output, x.grad!)
    }
    let (kernel, steps) = (run(stepByStep: false), run(stepByStep: true))
    #expect(steps.0.values(Float.self).prefix(5 * h).allSatisfy { $0 == 0 || $0 == .infinity })
    for (a, b) in [(kernel.0, steps.0), (kernel.1, steps.1)] {
      #expect(
        zip(a.values(Float.self), b.values(Float.self)).allSatisfy {
          $0 == $1 || ($0.isNaN && $1.isNaN)
        })
    }
  }

  /// The notebooks' series: 699 steps, backward through all of them, twice, and freed.
  @Test(arguments: RecurrentCell.allCases)
  func sevenHundredStepsRunBackwardAndAreFreed(cell: RecurrentCell) {
    var draws = Draws(case: 699)
    let h = 4
    func parameter(_ shape: Shape) -> Tensor {
      let tensor = Tensor(draws.floats(shape.elementCount).map { $0 / 2 }, shape: shape)
      tensor.requiresGrad = true
      return tensor
    }
    let rows = cell.gateCount * h
    let weights = RecurrentWeights(
      input: parameter([rows, 1]), hidden: parameter([rows, h]), inputBias: parameter([rows]),
      hiddenBias: parameter([rows]))
    let x = Tensor(draws.floats(699), shape: [699, 1, 1])
    x.requiresGrad = true
    weak var last: GradientFunction?
    weak var first: GradientFunction?
    do {
      let output = recurrent(cell, x, layers: [weights]).output
      #expect(output.shape == [699, 1, h])
      last = output.gradientFunction
      var deepest = output.gradientFunction!
      while let next = deepest.nextFunctions.compactMap({ $0 }).first { deepest = next }
      first = deepest
      let loss = meanSquaredError(output, output.detached() * 0)
      loss.backward(retainGraph: true)
      let once = x.grad!.asDoubles
      loss.backward()
      expectClose(x.grad!, once.map { 2 * $0 }, shape: [699, 1, 1]) { _ in 0 }
      #expect(once.allSatisfy { $0.isFinite } && once.contains { $0 != 0 })
      #expect(last != nil && first != nil)
    }
    #expect(last == nil && first == nil)
  }

  static let contracts: [BrokenContract] = {
    @Sendable func zeros(_ shape: Shape) -> Tensor { Tensor(zeros: shape) }
    let layer: @Sendable () -> [RecurrentWeights] = {
      [RecurrentWeights(input: zeros([8, 3]), hidden: zeros([8, 2]))]
    }
    let weights: @Sendable () -> AttentionWeights = {
      AttentionWeights(
        input: zeros([12, 4]), inputBias: nil, output: zeros([4, 4]), outputBias: nil)
    }
    return [
      BrokenContract(
        "features",
        "recurrent: an input of shape [5, 2, 4] does not fit weight [8, 3], which takes [T, N, 3]"
      ) { _ = recurrent(.lstm, zeros([5, 2, 4]), layers: layer()) },
      BrokenContract("no steps", "recurrent: an input of shape [0, 2, 3] does not fit weight") {
        _ = recurrent(.lstm, zeros([0, 2, 3]), layers: layer())
      },
      BrokenContract(
        "state", "recurrent: a state of shapes [1, 3, 2], [1, 3, 2] where [1, 2, 2] is needed twice"
      ) {
        let state = RecurrentState(hidden: zeros([1, 3, 2]), memory: zeros([1, 3, 2]))
        _ = recurrent(.lstm, zeros([5, 2, 3]), state: state, layers: layer())
      },
      BrokenContract(
        "no memory",
        "recurrent: a state of shapes [1, 2, 2] where [1, 2, 2] is needed twice: hidden "
          + "and memory"
      ) {
        let state = RecurrentState(hidden: zeros([1, 2, 2]))
        _ = recurrent(.lstm, zeros([5, 2, 3]), state: state, layers: layer())
      },
      BrokenContract("directions", "recurrent: 1 weights for 2 directions") {
        _ = recurrent(.lstm, zeros([5, 2, 3]), layers: layer(), isBidirectional: true)
      },
      BrokenContract(
        "queries",
        "multiheadAttention: query [1, 2, 5], key [1, 2, 4] and value [1, 2, 4] are not [N, L, 4]"
      ) {
        _ = multiheadAttention(
          query: zeros([1, 2, 5]), key: zeros([1, 2, 4]), value: zeros([1, 2, 4]),
          weights: weights(), headCount: 2)
      },
      BrokenContract(
        "mask", "multiheadAttention: a mask of shape [3, 2] is neither [2, 3] nor [2, 2, 3]"
      ) {
        _ = multiheadAttention(
          query: zeros([1, 2, 4]), key: zeros([1, 3, 4]), value: zeros([1, 3, 4]),
          weights: weights(), headCount: 2, mask: zeros([3, 2]))
      },
    ]
  }()

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in RecurrentTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
