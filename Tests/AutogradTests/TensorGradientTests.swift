import Autograd
import Tensors
import TestSupport
import Testing

/// Every differentiable op of tensors against finite differences, in float64.
struct TensorGradientTests {
  /// Inputs as (shape, least, most), and the op.
  struct Check: Sendable, CustomTestStringConvertible {
    let name: String
    let inputs: [(Shape, Double, Double)]
    let function: @Sendable ([Tensor]) -> Tensor
    var testDescription: String { name }
  }

  /// Checks of a function of one tensor, over an interval where it is smooth.
  private static func one(
    _ name: String, _ least: Double, _ most: Double,
    _ function: @escaping @Sendable (Tensor) -> Tensor
  ) -> [Check] {
    ([[], [1], [3, 2], [0, 2]] as [Shape]).map { shape in
      Check(name: "\(name) of \(shape)", inputs: [(shape, least, most)]) { function($0[0]) }
    }
  }

  /// Checks of a function of two tensors under every way of broadcasting.
  private static func two(
    _ name: String, _ function: @escaping @Sendable (Tensor, Tensor) -> Tensor
  ) -> [Check] {
    let pairs: [(Shape, Shape)] = [
      ([], []), ([2, 3], [2, 3]), ([2, 3], [3]), ([3, 1], [1, 2]), ([], [2, 2]), ([0, 2], [1, 2]),
    ]
    // Two intervals without a common point: maximum and minimum have no derivative at equals.
    return pairs.flatMap { pair in
      [
        Check(
          name: "\(name) of \(pair)", inputs: [(pair.0, 0.3, 1.2), (pair.1, 1.3, 2)]
        ) { function($0[0], $0[1]) },
        Check(
          name: "\(name) of \(pair), exchanged", inputs: [(pair.0, 1.3, 2), (pair.1, 0.3, 1.2)]
        ) { function($0[0], $0[1]) },
      ]
    }
  }

  /// Checks of functions of [2, 3, 4] of values that are apart, so that no order changes.
  private static func whole(_ name: String, _ function: @escaping @Sendable (Tensor) -> Tensor)
    -> [Check]
  {
    [Check(name: name, inputs: [([2, 3, 4], -1, 1)]) { function($0[0]) }]
  }

  static let elementwise: [Check] =
    ([
      two("+") { $0 + $1 },
      two("-") { $0 - $1 },
      two("*") { $0 * $1 },
      two("/") { $0 / $1 },
      two("power") { $0.power($1) },
      two("maximum") { Tensor.maximum($0, $1) },
      two("minimum") { Tensor.minimum($0, $1) },
      two("where") { Tensor.where($0.value .> 0.8, $0, $1) },
      one("numbers", 0.5, 2) { (2 / $0 - 1) * ($0 + 0.5) / 3 - (1 - $0) },
      one("power of 2.5", 0.5, 2) { $0.power(2.5) },
      one("power of 3", -2, 2) { $0.power(3) },
      one("abs", 0.1, 2) { $0.abs() - (-$0).abs() * 2 },
      one("sign", 0.1, 1) { $0.sign() },
      one("square", -2, 2) { $0.square() },
      one("sqrt", 0.3, 2) { $0.sqrt() },
      one("reciprocal", 0.5, 2) { $0.reciprocal() },
      one("exp", -2, 2) { $0.exp() },
      one("expm1", -2, 2) { $0.expm1() },
      one("log", 0.5, 2) { $0.log() },
      one("log2", 0.5, 2) { $0.log2() },
      one("log10", 0.5, 2) { $0.log10() },
      one("log1p", -0.5, 2) { $0.log1p() },
      one("sin", -3, 3) { $0.sin() },
      one("cos", -3, 3) { $0.cos() },
      one("tan", -1, 1) { $0.tan() },
      one("asin", -0.8, 0.8) { $0.asin() },
      one("acos", -0.8, 0.8) { $0.acos() },
      one("atan", -3, 3) { $0.atan() },
      one("sinh", -2, 2) { $0.sinh() },
      one("cosh", -2, 2) { $0.cosh() },
      one("tanh", -2, 2) { $0.tanh() },
      one("erf", -2, 2) { $0.erf() },
      one("sigmoid", -4, 4) { $0.sigmoid() },
      one("floor", 0.1, 0.9) { $0.floor() + $0.ceil() },
      one("round", 0.6, 1.4) { $0.round() + ($0 + 0.5).trunc() },
      one("clamp", -0.9, 0.9) { $0.clamp(minimum: -1, maximum: 1) + $0.clamp(minimum: 1) },
    ] as [[Check]]).flatMap { $0 }

  static let reductions: [Check] = ([nil, [0], [-1], [0, 2]] as [[Int]?]).flatMap { axes in
    [false, true].flatMap { keep in
      let end = " over \(axes.map { "\($0)" } ?? "all") \(keep)"
      return
        ([
          whole("sum" + end) { $0.sum(axes: axes, keepAxes: keep) },
          whole("mean" + end) { $0.mean(axes: axes, keepAxes: keep) },
          whole("product" + end) { $0.product(axes: axes, keepAxes: keep) },
          whole("max" + end) { $0.max(axes: axes, keepAxes: keep) },
          whole("min" + end) { $0.min(axes: axes, keepAxes: keep) },
          whole("variance" + end) { $0.variance(axes: axes, keepAxes: keep) },
          whole("standardDeviation" + end) { $0.standardDeviation(axes: axes, keepAxes: keep) },
          whole("norm" + end) { $0.norm(axes: axes, keepAxes: keep) },
          whole("logSumExp" + end) { $0.logSumExp(axes: axes ?? [0, 1, 2], keepAxes: keep) },
        ] as [[Check]]).flatMap { $0 }
    }
  }

  static let shapes: [Check] =
    ([
      whole("reshaped") { $0.reshaped([4, -1]) },
      whole("flattened") { $0.flattened(startAxis: 1) },
      whole("permuted") { $0.permuted([2, 0, 1]) },
      whole("transposed") { $0.transposed(0, 1) },
      whole("squeezed") { $0.unsqueezed(1).squeezed() },
      whole("to") { $0.to(.float64) * $0 },
      whole("expanded") { $0.unsqueezed(1).expanded(to: [5, 2, 2, 3, 4]) },
      whole("cat") { Tensor.cat([$0, $0 * 2, $0[Every(), 0..<1]], axis: 1) },
      whole("stack") { Tensor.stack([$0, $0.square()], axis: -1) },
      whole("split") {
        let parts = $0.split(3, axis: 2)
        return parts[0].sum() * parts[1].sum()
      },
      whole("chunk") { Tensor.cat($0.chunk(2, axis: 1).reversed(), axis: 1) },
      whole("unstacked") {
        let rows = $0.unstacked()
        return rows[0] * rows[1]
      },
      whole("subscript") { $0[1, ..<2, 1...] },
      whole("index") { $0[-1] * $0[0] },
      whole("slice") { $0.slice(axis: -1, 0..<4, step: 2) },
      whole("narrow") { $0.narrow(axis: 1, start: 1, count: 2) },
      whole("gather") { $0.gather(axis: 1, Tensor([[[0, 0], [2, 1]], [[1, 1], [1, 0]]])) },
      whole("indexSelect") { $0.indexSelect(axis: 2, Tensor([3, 0, 3])) },
      whole("byIndices") { $0[Tensor([[1, 0], [1, 1]])] },
      whole("maskedFilled") { $0.maskedFilled(Tensor([true, false, false, true]), 3) },
      whole("maskedSelected") { $0.maskedSelected(Tensor([true, false, false, true])) },
      whole("sorted") { $0.sorted(axis: 1, descending: true).values },
      whole("topk") { $0.topk(2, axis: 2).values },
      whole("flipped") { $0.flipped(axes: [0, 2]) },
      whole("cumulativeSum") { $0.cumulativeSum(axis: 1) },
      whole("tril") { $0.tril(diagonal: 1) },
      whole("triu") { $0.triu(diagonal: -1) },
    ] as [[Check]]).flatMap { $0 }

  static let products: [Check] =
    ([
      ([4], [4]), ([3, 4], [4]), ([4], [4, 2]), ([3, 4], [4, 2]), ([2, 3, 4], [4, 2]),
      ([3, 4], [2, 4, 2]), ([2, 1, 3, 4], [3, 4, 2]), ([2, 3, 4], [4]), ([4], [2, 4, 3]),
    ] as [(Shape, Shape)]).map { pair in
      Check(name: "matmul \(pair)", inputs: [(pair.0, -1, 1), (pair.1, -1, 1)]) {
        $0[0].matmul($0[1])
      }
    }

  @Test(arguments: elementwise + reductions + shapes + products)
  func gradientsMatchFiniteDifferences(_ check: Check) {
    var draws = Draws(case: check.inputs.count)
    let inputs = check.inputs.map { shape, least, most in
      // Equal steps in a random order: no two elements are closer than the step of the differences.
      var values = (0..<shape.elementCount).map {
        least + (most - least) * (Double($0) + 0.37) / Double(shape.elementCount)
      }
      for i in values.indices { values.swapAt(i, draws.int(0...i)) }
      return draws.laidOut(values, shape: shape)
    }
    expectGradientsMatchFiniteDifferences(inputs, "\(check.name), \(draws)") { check.function($0) }
  }

  @Test func conversionPassesGradients() {
    let x = Tensor([1.5, 2] as [Double])
    x.requiresGrad = true
    (x.to(.float32) * Tensor([2, 3] as [Float])).sum().backward()
    #expect(x.grad?.dtype == .float64 && x.grad?.values(Double.self) == [2, 3])
    #expect(!x.to(.int64).requiresGrad)
  }

  @Test func aDetachedTensorIsAnotherOne() {
    let x = Tensor([1.0, 2])
    let y = x.detached()
    y.requiresGrad = true
    #expect(!x.requiresGrad && y.storage === x.storage)
  }
}
