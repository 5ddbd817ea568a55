import Autograd
import System
import Tensors
import TestSupport
import Testing

/// Random composite expressions in float32 against the same in float64: values and gradients.
struct RandomExpressionTests {
  private let makers = ExpressionSteps.all

  /// A program over nodes: the leaves, then one node a step.
  private struct Expression {
    var steps: [(name: String, main: Int, other: Int, apply: ExpressionSteps.Apply)] = []

    /// The last node, and the gradients its `seed` gives to the leaves.
    /// - noise: every node is multiplied by 1 + noise r, r in -1 ..< 1 drawn anew for each element,
    ///   and so is every gradient on its way back.
    func run(_ leaves: [Tensor], seed: Tensor, noise: Double = 0, _ draws: inout Draws) -> [Tensor?]
    {
      for leaf in leaves {
        leaf.requiresGrad = true
        leaf.zeroGrad()
      }
      func shaken(_ x: Tensor) -> Tensor {
        if noise == 0 { return x }
        return x * Tensor(draws.doubles(x.elementCount).map { 1 + noise * $0 }, shape: x.shape)
      }
      var nodes = leaves.map { shaken($0) }
      for step in steps { nodes.append(shaken(step.apply(nodes[step.main], nodes[step.other]))) }
      let result = nodes.last!
      result.backward(seed: noise == 0 ? seed : shaken(seed))
      return [result.value] + leaves.map { $0.grad }
    }
  }

  /// Grows an expression of `depth` ops over the values of `leaves`: each op goes on from the one
  /// before and takes any node, most often a leaf, as its other operand.
  private func grow(_ leaves: [Tensor], depth: Int, _ draws: inout Draws) -> (Expression, Tensor) {
    var expression = Expression()
    var nodes = leaves
    var main = draws.int(0...leaves.count - 1)
    while expression.steps.count < depth {
      let other =
        draws.int(0...2) > 0 ? draws.int(0...leaves.count - 1) : draws.int(0...nodes.count - 1)
      let (name, make) = draws.pick(makers)
      guard let apply = make(nodes[main], nodes[other], &draws) else { continue }
      let y = apply(nodes[main], nodes[other])
      let isTame =
        (1...400).contains(y.elementCount) && y.axisCount <= 4
        && y.asDoubles.allSatisfy { abs($0) <= 4 }
      guard isTame else { continue }
      expression.steps.append((name, main, other, apply))
      nodes.append(y)
      main = nodes.count - 1
    }
    return (expression, nodes.last!)
  }

  /// How far float32 may be off depends on how the expression magnifies errors, which a float64 run
  /// with shaken numbers tells (Monte Carlo arithmetic: Parker, 1997). The shaking is 2^-20 of
  /// every element of every leaf, node and gradient in between, 16 roundings of float32, more than
  /// any op here has in a row; a sum's terms are shaken, each for itself, and cover its inner
  /// roundings. The largest difference of a tensor's elements over three such runs, times 4 for
  /// what three runs did not find, and some last places of the largest element.
  ///
  /// At least 2^-22, four roundings of a seed below 1: some derivatives vanish by cancellation within
  /// the op, as 1 - tanh^2 and the sum of all x - mean do, and are off by that much in themselves.
  /// Nodes stay within -4 ... 4, where no such derivative is all rounding.
  ///
  /// Where that is more than a thousandth of the largest element the comparison says little: such
  /// an expression is compared but not counted.
  @Test func float32AgreesWithFloat64() {
    var (number, counted, timesUsed) = (0, 0, [String: Int]())
    while counted < 2000 {
      number += 1
      guard number < 10_000 else {
        Issue.record("only \(counted) of \(number) expressions are well conditioned")
        return
      }
      var draws = Draws(case: number)
      var (singles, doubles): ([Tensor], [Tensor]) = ([], [])
      for _ in 0..<draws.int(2...4) {
        let shape = Shape(
          (0..<draws.pick([0, 1, 2, 2, 2, 3])).map { _ in draws.pick([1, 2, 3, 3, 4]) })
        let values = draws.floats(shape.elementCount).map { $0 * 2 }
        singles.append(draws.laidOut(values, shape: shape))
        doubles.append(draws.laidOut(values.map(Double.init), shape: shape))
      }
      let (expression, result) = grow(doubles, depth: draws.int(3...8), &draws)
      let seed = draws.floats(result.elementCount)
      let exactSeed = Tensor(seed.map(Double.init), shape: result.shape)
      let what = "\(expression.steps.map(\.name)) of \(doubles.map(\.shape)), \(draws)"

      let exact = expression.run(doubles, seed: exactSeed, &draws)
      let single = expression.run(singles, seed: Tensor(seed, shape: result.shape), &draws)
      let shaken = (0..<3).map { _ in
        expression.run(doubles, seed: exactSeed, noise: 0x1p-20, &draws)
      }
      var isSharp = true
      for (index, expected) in exact.enumerated() {
        let part = index == 0 ? "value" : "gradient of leaf \(index - 1)"
        guard let expected, let actual = single[index] else {
          #expect(expected == nil && single[index] == nil, "\(part), \(what)")
          continue
        }
        let values = expected.asDoubles
        let largest = values.reduce(0) { max($0, abs($1)) }
        let spread = shaken.reduce(0) { spread, run in
          zip(run[index]!.asDoubles, values).reduce(spread) { max($0, abs($1.0 - $1.1)) }
        }
        let tolerance = 4 * spread + 0x1p-21 * largest + 0x1p-22
        #expect(actual.dtype == .float32)
        expectClose(actual, values, shape: expected.shape, "\(part), \(what)") { _ in tolerance }
        if tolerance > 1e-3 * largest { isSharp = false }
      }
      if isSharp {
        counted += 1
        for step in expression.steps { timesUsed[step.name, default: 0] += 1 }
      }
    }
    for (name, _) in makers {
      #expect(
        timesUsed[name, default: 0] >= 5, "\(name) came up \(timesUsed[name, default: 0]) times")
    }
  }
}
