import Autograd
import Kernels
import Optimizers
import System
import Tensors
import TestSupport
import Testing

/// The optimizers' variants, groups, clipping and the moving average against PyTorch's
/// (Golden/variants.py).
struct VariantTests {
  struct After: Decodable, Sendable {
    let p: [Double]
    let state: [String: [Double]]
  }
  struct Run: Decodable, Sendable {
    let name: String
    let after: [After]
  }
  struct Clip: Decodable, Sendable {
    let gradients: [[Float]]
    let maximum, norm: Double
    let clipped, clippedByHalf: [[Double]]
  }
  struct Known: Decodable, Sendable {
    let start: [Float]
    let gradients: [[Float]]
    let runs: [Run]
    let clips: [Clip]
    let weights: [[Float]]
    let averages: [[Double]]
  }

  typealias Maker = @Sendable (Int) -> any Optimizer

  /// As in the script: the middle part has half the rate and a decay of its own.
  static let groups = [ParameterGroup(range: 7..<18, learningRateScale: 0.5, weightDecay: 0.25)]

  static let makers: [String: (rate: Double, make: Maker)] = [
    "SGD, decay": (0.02, { _ in SGD(weightDecay: 0.1) }),
    "SGD, momentum": (0.02, { SGD(elementCount: $0, momentum: 0.9) }),
    "SGD, momentum, dampening, decay": (
      0.02, { SGD(elementCount: $0, momentum: 0.8, dampening: 0.3, weightDecay: 0.1) }
    ),
    "SGD, Nesterov": (0.02, { SGD(elementCount: $0, momentum: 0.9, isNesterov: true) }),
    "SGD, Nesterov, decay": (
      0.02, { SGD(elementCount: $0, momentum: 0.7, isNesterov: true, weightDecay: 0.05) }
    ),
    "Adam, decay": (0.01, { Adam(elementCount: $0, weightDecay: 0.1) }),
    "AdamW": (0.01, { AdamW(elementCount: $0) }),
    "AdamW, other constants": (
      0.02, { AdamW(elementCount: $0, beta1: 0.8, beta2: 0.9, epsilon: 1e-4, weightDecay: 0.3) }
    ),
    "RMSprop": (0.01, { RMSprop(elementCount: $0) }),
    "RMSprop, momentum": (
      0.01, { RMSprop(elementCount: $0, alpha: 0.9, epsilon: 1e-4, momentum: 0.5) }
    ),
    "RMSprop, centred": (
      0.01, { RMSprop(elementCount: $0, alpha: 0.9, epsilon: 1e-2, isCentered: true) }
    ),
    "RMSprop, centred, momentum, decay": (
      0.01,
      {
        RMSprop(
          elementCount: $0, alpha: 0.9, epsilon: 1e-2, momentum: 0.5, isCentered: true,
          weightDecay: 0.1)
      }
    ),
    "Adagrad": (0.05, { Adagrad(elementCount: $0) }),
    "Adagrad, decays": (
      0.05,
      {
        Adagrad(
          elementCount: $0, learningRateDecay: 0.1, epsilon: 1e-3, initialSum: 0.5,
          weightDecay: 0.1)
      }
    ),
    "groups of SGD": (
      0.02, { SGD(elementCount: $0, momentum: 0.9, weightDecay: 0.1, groups: groups) }
    ),
    "groups of Adam": (0.01, { Adam(elementCount: $0, groups: groups) }),
    "groups of AdamW": (0.01, { AdamW(elementCount: $0, weightDecay: 0.02, groups: groups) }),
    "groups of RMSprop": (0.01, { RMSprop(elementCount: $0, momentum: 0.5, groups: groups) }),
    "groups of Adagrad": (0.05, { Adagrad(elementCount: $0, groups: groups) }),
  ]

  /// Both are float32 and round some 10 times a step, each in its own places, u = 2^-24 of what is
  /// added up; the decay and the momentum carry that on without growing it. So 20 u a step of the
  /// largest p, state or way so far. Where a centred mean square cancels, its 1e-2 of epsilon bounds
  /// what that does to a step.
  @Test func twentyStepsArePyTorchs() throws {
    let known = try golden("variants.json", as: Known.self)
    let u = 0x1p-24
    var compared = 0
    #expect(Set(known.runs.map(\.name)) == Set(Self.makers.keys))
    for run in known.runs {
      let (rate, make) = try #require(Self.makers[run.name])
      let optimizer = make(known.start.count)
      var p = known.start
      var largest: [String: [Double]] = [:]
      #expect(run.after.count == 20)
      for (index, (gradients, after)) in zip(known.gradients, run.after).enumerated() {
        let step = Double(index + 1)
        p.withUnsafeMutableBufferPointer {
          optimizer.step(
            parameters: $0, gradients: gradients, learningRate: rate, step: index + 1)
        }
        func compare(_ actual: [Double], _ expected: [Double], _ what: String) {
          let before = largest[what] ?? expected.map { _ in what == "p" ? rate : 0 }
          let most = zip(before, expected).map { max($0, abs($1)) }
          largest[what] = most
          expectClose(actual, expected, "\(run.name), \(what) after step \(index + 1)") {
            20 * u * step * most[$0] + 1e-38
          }
          compared += 1
        }
        compare(p.map(Double.init), after.p, "p")
        #expect(Set(optimizer.state.map(\.name)) == Set(after.state.keys))
        for (name, arena) in optimizer.state {
          compare(arena.asDoubles, try #require(after.state[name]), name)
        }
      }
    }
    #expect(compared >= 800, "\(compared) tensors")
  }

  /// A norm is summed in double here and in float32 there: off by 12 2^-24 of itself at most.
  @Test func clippingIsPyTorchs() throws {
    for known in try golden("variants.json", as: Known.self).clips {
      let context = "at most \(known.maximum)"
      func check(_ actual: [Float], _ expected: [Double]) {
        expectClose(actual.map(Double.init), expected, context) { 1e-6 * abs(expected[$0]) }
      }
      func close(_ norm: Double) -> Bool { abs(norm - known.norm) <= 1e-6 * known.norm }
      // In an arena.
      var arena = known.gradients.flatMap { $0 }
      #expect(
        close(
          arena.withUnsafeMutableBufferPointer { clipGradients($0, toNorm: known.maximum) }))
      check(arena, known.clipped.flatMap { $0 })
      arena = known.gradients.flatMap { $0 }
      arena.withUnsafeMutableBufferPointer { clipGradients($0, toValue: known.maximum / 2) }
      check(arena, known.clippedByHalf.flatMap { $0 })
      // Of tensors.
      let leaves = known.gradients.map { values -> Tensor in
        let leaf = Tensor(zeros: [values.count])
        leaf.requiresGrad = true
        return leaf
      }
      func backward() {
        for (leaf, values) in zip(leaves, known.gradients) {
          leaf.zeroGrad()
          leaf.backward(seed: Tensor(values, shape: leaf.shape))
        }
      }
      let unused = Tensor(zeros: [3])
      unused.requiresGrad = true
      backward()
      #expect(close(clipGradients(of: leaves + [unused], toNorm: known.maximum)))
      check(leaves.flatMap { $0.grad!.values(Float.self) }, known.clipped.flatMap { $0 })
      backward()
      clipGradients(of: leaves + [unused], toValue: known.maximum / 2)
      check(leaves.flatMap { $0.grad!.values(Float.self) }, known.clippedByHalf.flatMap { $0 })
    }
    var odd: [Float] = [.nan, 5, -.infinity]
    odd.withUnsafeMutableBufferPointer { clipGradients($0, toValue: 2) }
    #expect(odd.bits == [.nan, 2, -2].bits)
  }

  @Test func theMovingAverageIsPyTorchs() throws {
    let known = try golden("variants.json", as: Known.self)
    let average = WeightAverage(elementCount: known.weights[0].count, decay: 0.9)
    for (weights, expected) in zip(known.weights, known.averages) {
      weights.withUnsafeBufferPointer { average.update($0) }
      expectClose(average.average.asDoubles, expected) { _ in 4 * 0x1p-24 * 8 }
    }
    #expect(average.updateCount == 12)
  }

  @Test(arguments: Array(0...35) + [255, 1000]) func kernelsAreTheirTwins(count: Int) {
    var draws = Draws(case: count)
    expectTwins(count: count, &draws)
  }

  @Test func kernelsAreTheirTwinsWhereverTheParametersLie() {
    for number in 0..<RandomCases.optimizers {
      var draws = Draws(case: number)
      expectTwins(count: draws.int(0...40), offset: draws.int(0...17), &draws)
    }
  }

  /// The kernels reach every element and no other, and do what their twins do in double.
  /// - offset: where in memory parameters and gradients begin, in elements.
  private func expectTwins(count: Int, offset: Int = 0, _ draws: inout Draws) {
    let label = "\(draws)"
    let gradients = draws.floats(offset + count + 1)
    let start = draws.floats(offset + count + 1)
    let range = offset..<offset + count
    typealias Twin = (
      _ p: Reference.Elements<Double>, _ state: [Reference.Elements<Double>],
      _ g: Reference.Elements<Double>, _ step: Int
    ) -> Void
    func check(_ name: String, _ optimizer: any Optimizer, _ twin: Twin) {
      var p = start
      func buffer(_ values: [Double]) -> Reference.Elements<Double> {
        let buffer = Reference.Elements<Double>.allocate(capacity: values.count)
        _ = buffer.initialize(from: values)
        return buffer
      }
      let expected = buffer(start[range].map(Double.init))
      let g = buffer(gradients[range].map(Double.init))
      let state = optimizer.state.map { buffer($0.arena.asDoubles) }
      defer { for memory in state + [expected, g] { memory.deallocate() } }
      for step in 1...3 {
        p.withUnsafeMutableBufferPointer { p in
          gradients.withUnsafeBufferPointer {
            optimizer.step(
              parameters: UnsafeMutableBufferPointer(rebasing: p[range]),
              gradients: $0.baseAddress! + offset, learningRate: 0.125, step: step)
          }
        }
        twin(expected, state, g, step)
        expectClose(
          p[range].map(Double.init), Array(expected), "\(name), step \(step), \(label)"
        ) { _ in Double(step) * 20 * 0x1p-24 }
        for (memory, (key, arena)) in zip(state, optimizer.state) {
          expectClose(arena.asDoubles, Array(memory), "\(name), \(key), \(label)") { _ in
            Double(step) * 20 * 0x1p-24
          }
        }
      }
      #expect(
        p[range.upperBound] == start[range.upperBound] && p.starts(with: start[..<offset]),
        "\(label)")
    }
    check("SGD, decay", SGD(weightDecay: 0.25)) { p, _, g, _ in
      Reference.sgd(p, nil, g, lr: 0.125, weightDecay: 0.25)
    }
    for isNesterov in [false, true] {
      let optimizer = SGD(
        elementCount: count, momentum: 0.75, dampening: isNesterov ? 0 : 0.5,
        isNesterov: isNesterov, weightDecay: 0.25)
      check("SGD, \(isNesterov)", optimizer) { p, state, g, step in
        Reference.sgd(
          p, state[0], g, t: step, lr: 0.125, momentum: 0.75, dampening: isNesterov ? 0 : 0.5,
          nesterov: isNesterov, weightDecay: 0.25)
      }
    }
    for isDecoupled in [false, true] {
      let optimizer: Adam =
        isDecoupled
        ? AdamW(elementCount: count, epsilon: 1e-2, weightDecay: 0.25)
        : Adam(elementCount: count, epsilon: 1e-2, weightDecay: 0.25)
      check(optimizer.name, optimizer) { p, state, g, step in
        Reference.adam(
          p, state[0], state[1], g, t: step, lr: 0.125, beta1: 0.9, beta2: 0.999, epsilon: 1e-2,
          weightDecay: 0.25, isDecoupled: isDecoupled)
      }
    }
    for (momentum, isCentered) in [(0, false), (0.5, false), (0, true), (0.5, true)] {
      let optimizer = RMSprop(
        elementCount: count, alpha: 0.75, epsilon: 0.1, momentum: momentum,
        isCentered: isCentered, weightDecay: 0.25)
      check("RMSprop, \(momentum), \(isCentered)", optimizer) { p, state, g, _ in
        Reference.rmsprop(
          p, state[0], momentum > 0 ? state[1] : nil, isCentered ? state.last! : nil, g, lr: 0.125,
          alpha: 0.75, epsilon: 0.1, momentum: momentum, weightDecay: 0.25)
      }
    }
    let adagrad = Adagrad(elementCount: count, epsilon: 1e-2, weightDecay: 0.25)
    check("Adagrad", adagrad) { p, state, g, _ in
      Reference.adagrad(p, state[0], g, lr: 0.125, epsilon: 1e-2, weightDecay: 0.25)
    }
  }
}
