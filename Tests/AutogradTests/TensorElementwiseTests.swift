import Autograd
import Tensors
import TestSupport
import Testing

/// Operators, elementary functions and reductions against PyTorch's, made by Golden/elementwise.py.
struct TensorElementwiseTests {
  typealias Call = @Sendable (PyTorchCase, [Tensor]) -> [Tensor]

  static let operators: [String: Call] = [
    "add": { [$1[0] + $1[1]] },
    "subtract": { [$1[0] - $1[1]] },
    "multiply": { [$1[0] * $1[1]] },
    "divide": { [$1[0] / $1[1]] },
    "maximum": { [Tensor.maximum($1[0], $1[1])] },
    "minimum": { [Tensor.minimum($1[0], $1[1])] },
    "power": { [$1[0].power($1[1])] },
    "powerNumber": { [$1[0].power($0.number("k")!)] },
    "where": { [Tensor.where($1[0], $1[1], $1[2])] },
    "plus": { [$1[0] + $0.number("k")!] },
    "minus": { [$1[0] - $0.number("k")!] },
    "times": { [$1[0] * $0.number("k")!] },
    "over": { [$1[0] / $0.number("k")!] },
    "from": { [$0.number("k")! - $1[0]] },
    "under": { [$0.number("k")! / $1[0]] },
    "equal": { [$1[0] .== $1[1]] },
    "notEqual": { [$1[0] .!= $1[1]] },
    "less": { [$1[0] .< $1[1]] },
    "lessOrEqual": { [$1[0] .<= $1[1]] },
    "greater": { [$1[0] .> $1[1]] },
    "greaterOrEqual": { [$1[0] .>= $1[1]] },
    "equalNumber": { [$1[0] .== 2] },
    "notEqualNumber": { [$1[0] .!= 2] },
    "lessNumber": { [$1[0] .< 2] },
    "lessOrEqualNumber": { [$1[0] .<= 2] },
    "greaterNumber": { [$1[0] .> 2] },
    "greaterOrEqualNumber": { [$1[0] .>= 2] },
  ]

  static let functions: [String: Call] = [
    "abs": { [$1[0].abs()] },
    "sign": { [$1[0].sign()] },
    "square": { [$1[0].square()] },
    "sqrt": { [$1[0].sqrt()] },
    "reciprocal": { [$1[0].reciprocal()] },
    "exp": { [$1[0].exp()] },
    "expm1": { [$1[0].expm1()] },
    "log": { [$1[0].log()] },
    "log2": { [$1[0].log2()] },
    "log10": { [$1[0].log10()] },
    "log1p": { [$1[0].log1p()] },
    "sin": { [$1[0].sin()] },
    "cos": { [$1[0].cos()] },
    "tan": { [$1[0].tan()] },
    "asin": { [$1[0].asin()] },
    "acos": { [$1[0].acos()] },
    "atan": { [$1[0].atan()] },
    "sinh": { [$1[0].sinh()] },
    "cosh": { [$1[0].cosh()] },
    "tanh": { [$1[0].tanh()] },
    "erf": { [$1[0].erf()] },
    "sigmoid": { [$1[0].sigmoid()] },
    "floor": { [$1[0].floor()] },
    "ceil": { [$1[0].ceil()] },
    "round": { [$1[0].round()] },
    "trunc": { [$1[0].trunc()] },
    "negate": { [-$1[0]] },
    "clamp": {
      [
        $1[0].clamp(
          minimum: $0.number("least") ?? -.infinity, maximum: $0.number("most") ?? .infinity)
      ]
    },
    "to": { known, x in
      [x[0].to(DType.allCases.first { $0.description == known.text("dtype") }!)]
    },
  ]

  static let reductions: [String: Call] = [
    "sum": { [$1[0].sum(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))] },
    "mean": { [$1[0].mean(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))] },
    "product": { [$1[0].product(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))] },
    "max": { [$1[0].max(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))] },
    "min": { [$1[0].min(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))] },
    "variance": { [$1[0].variance(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))] },
    "variance0": {
      [$1[0].variance(axes: $0.ints("axes"), correction: 0, keepAxes: $0.flag("keep"))]
    },
    "standardDeviation": {
      [$1[0].standardDeviation(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))]
    },
    "norm": { [$1[0].norm(axes: $0.ints("axes"), keepAxes: $0.flag("keep"))] },
    "logSumExp": { [$1[0].logSumExp(axes: $0.ints("axes")!, keepAxes: $0.flag("keep"))] },
    "argmax": { known, x in
      guard let axis = known.int("axis") else { return [x[0].argmax()] }
      return [x[0].argmax(axis: axis, keepAxis: known.flag("keep"))]
    },
    "argmin": { known, x in
      guard let axis = known.int("axis") else { return [x[0].argmin()] }
      return [x[0].argmin(axis: axis, keepAxis: known.flag("keep"))]
    },
  ]

  static var calls: [String: Call] {
    operators.merging(functions) { $1 }.merging(reductions) { $1 }
  }

  /// An element is one to a few roundings of u = 2^-24 and a library function, ours of libm and
  /// PyTorch's of SLEEF, each within 2 u or so; gradients multiply two or three such factors, and a
  /// sum over a broadcast axis of 8 terms adds as many roundings: 3e-6, some 50 u, of the largest
  /// element. float64 gets 3e-14, some 270 u: its results also went through 17 digits of JSON, which
  /// cost nothing, and PyTorch's own double functions are within 1 u; what is left is the same
  /// chain with room to spare. The terms of a sum are of size 1 and may cancel: 0.1 is the least
  /// scale.
  @Test func valuesAndGradientsArePyTorchs() throws {
    let cases = try golden("elementwise.json", as: [PyTorchCase].self)
    let calls = TensorElementwiseTests.calls
    var compared = 0
    for known in cases {
      guard let call = calls[known.op] else {
        Issue.record("an op of no test: \(known.op)")
        continue
      }
      compared += known.check(relative: 3e-6, leastScale: 0.1) { call(known, $0) }
    }
    #expect(compared >= 1990)
    #expect(Set(cases.map(\.op)) == Set(calls.keys))
  }

  @Test func numbersTakeTheOthersDType() {
    let mask = Tensor([true, false])
    let wide = Tensor([1.5, 2] as [Double])
    #expect(Tensor.where(mask, wide, 0).values(Double.self) == [1.5, 0])
    #expect(Tensor.where(mask, 0, wide).values(Double.self) == [0, 2])
    #expect(Tensor.where(mask, 1, 0).values(Int64.self) == [1, 0])
    #expect(Tensor.where(mask, 1, 0.5).values(Float.self) == [1, 0.5])
    #expect((Tensor([1, 2]) * 3 + 1).values(Int64.self) == [4, 7])
    #expect((Tensor([51, 255] as [UInt8]) / 255).values(Float.self) == [0.2, 1])
  }

  @Test func anyAndAllAskForTrueOrNotZero() {
    #expect(Tensor([0, 2]).any() && !Tensor([0, 2]).all() && Tensor([1.0, 2]).all())
    #expect(!Tensor([false, false]).any() && !Tensor.zeros([0]).any() && Tensor.zeros([0]).all())
  }
}
