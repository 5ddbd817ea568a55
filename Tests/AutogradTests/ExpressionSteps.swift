import Autograd
import Tensors
import TestSupport

/// The steps that random expressions are made of.
enum ExpressionSteps {
  typealias Apply = (_ x: Tensor, _ y: Tensor) -> Tensor

  /// A step's choices, made once and then applied in either dtype; nil where it does not fit.
  /// - x: the float64 value that the step goes on from.  y: another one, leaf or not.
  typealias Maker = (_ x: Tensor, _ y: Tensor, inout Draws) -> Apply?

  /// Whether no two numbers are so close, or any so close to a kink at 0, that float32 could take
  /// the other side of it.
  private static func isApart(_ numbers: [Double]) -> Bool {
    let sorted = numbers.sorted()
    return zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 > 1e-3 }
  }

  private static func isOffZero(_ x: Tensor) -> Bool {
    x.asDoubles.allSatisfy { abs($0) > 1e-3 }
  }

  private static func broadcast(_ x: Tensor, _ y: Tensor) -> Bool {
    zip(x.shape.reversed(), y.shape.reversed()).allSatisfy { $0 == $1 || $0 == 1 || $1 == 1 }
  }

  /// y as it is where it broadcasts with x, else its mean.
  private static func binary(_ apply: @escaping Apply) -> Maker {
    { x, y, _ in broadcast(x, y) ? apply : { apply($0, $1.mean()) } }
  }

  private static func unary(_ apply: @escaping (Tensor) -> Tensor) -> Maker {
    { _, _, _ in { x, _ in apply(x) } }
  }

  private static func withoutKink(_ apply: @escaping (Tensor) -> Tensor) -> Maker {
    { x, _, _ in isOffZero(x) ? { x, _ in apply(x) } : nil }
  }

  private static func alongAxis(_ apply: @escaping (Tensor, Int) -> Tensor) -> Maker {
    { x, _, draws in
      guard x.axisCount > 0 else { return nil }
      let axis = draws.int(0...x.axisCount - 1)
      return { x, _ in apply(x, axis) }
    }
  }

  private static func alongAxes(
    apart: Bool = false, _ apply: @escaping (Tensor, _ axes: [Int], _ keepAxes: Bool) -> Tensor
  ) -> Maker {
    { x, _, draws in
      let axes = (0..<x.axisCount).filter { _ in draws.pick([true, false]) }
      let keepAxes = draws.pick([true, false])
      guard !axes.isEmpty, !apart || isApart(x.asDoubles) else { return nil }
      return { x, _ in apply(x, axes, keepAxes) }
    }
  }

  /// Every way an expression can go on; elementary functions kept where they are smooth.
  static var all: [(name: String, make: Maker)] {
    [
      ("add", binary { $0 + $1 }), ("subtract", binary { $0 - $1 }),
      ("multiply", binary { $0 * $1 }), ("divide", binary { $0 / ($1.square() + 0.5) }),
      ("divide by", binary { $1 / ($0.square() + 0.5) }), ("negate", unary { -$0 }),
      ("numbers", unary { 1.5 - ($0 * 0.75 + 0.25) / 2 }),
      ("power", binary { ($0.square() + 0.5).power($1.tanh()) }),
      ("power of 3", unary { $0.tanh().power(3) }),
      (
        "maximum",
        { x, y, _ in
          broadcast(x, y) && isOffZero(x - y) ? { Tensor.maximum($0, $1) } : nil
        }
      ),
      (
        "minimum",
        { x, y, _ in
          broadcast(x, y) && isOffZero(x - y) ? { Tensor.minimum($0, $1) } : nil
        }
      ),
      ("abs", withoutKink { $0.abs() }), ("relu", withoutKink { $0.relu() }),
      ("leakyRelu", withoutKink { $0.leakyRelu(slope: 0.1) }),
      ("clamp", withoutKink { $0.clamp(minimum: 0) }),
      ("threshold", withoutKink { $0.threshold(limit: 0, value: -0.5) }),
      ("gelu", unary { $0.gelu() }), ("silu", unary { $0.silu() }),
      ("square", unary { $0.square() }),
      ("sqrt", unary { ($0.square() + 0.5).sqrt() }),
      ("reciprocal", unary { ($0.square() + 0.5).reciprocal() }),
      ("exp", unary { $0.tanh().exp() }), ("expm1", unary { $0.tanh().expm1() }),
      ("log", unary { ($0.square() + 0.5).log() }), ("log2", unary { ($0.square() + 0.5).log2() }),
      ("log10", unary { ($0.square() + 0.5).log10() }), ("log1p", unary { $0.square().log1p() }),
      ("sin", unary { $0.sin() }), ("cos", unary { $0.cos() }), ("tan", unary { $0.tanh().tan() }),
      ("asin", unary { ($0.tanh() * 0.8).asin() }), ("acos", unary { ($0.tanh() * 0.8).acos() }),
      ("atan", unary { $0.atan() }), ("sinh", unary { $0.tanh().sinh() }),
      ("cosh", unary { $0.tanh().cosh() }), ("tanh", unary { $0.tanh() }),
      ("erf", unary { $0.erf() }), ("sigmoid", unary { $0.sigmoid() }),
      ("sum", alongAxes { $0.sum(axes: $1, keepAxes: $2) }),
      ("mean", alongAxes { $0.mean(axes: $1, keepAxes: $2) }),
      ("product", alongAxes { $0.product(axes: $1, keepAxes: $2) }),
      ("max", alongAxes(apart: true) { $0.max(axes: $1, keepAxes: $2) }),
      ("min", alongAxes(apart: true) { $0.min(axes: $1, keepAxes: $2) }),
      ("variance", alongAxes { $0.variance(axes: $1, correction: 0, keepAxes: $2) }),
      // x^2 + 1 is never x, so the deviation is never 0, where it has a kink.
      (
        "standardDeviation",
        alongAxis {
          Tensor.cat([$0, $0.square() + 1], axis: $1).standardDeviation(axes: [$1])
        }
      ),
      ("norm", alongAxes { ($0.square() + 0.5).norm(axes: $1, keepAxes: $2) }),
      ("logSumExp", alongAxes { $0.logSumExp(axes: $1, keepAxes: $2) }),
      ("softmax", alongAxis { $0.softmax(axis: $1) * 3 }),
      ("logSoftmax", alongAxis { $0.logSoftmax(axis: $1) }),
      ("cumulativeSum", alongAxis { $0.cumulativeSum(axis: $1) }),
      ("flipped", alongAxis { $0.flipped(axes: [$1]) }),
      ("unsqueezed", alongAxis { $0.unsqueezed($1) }), ("squeezed", unary { $0.squeezed() }),
      ("flattened", unary { $0.flattened() }),
      ("stack", alongAxis { Tensor.stack([$0, $0.sin()], axis: $1) }),
      ("cat", alongAxis { Tensor.cat([$0, $0 * 2, $0.cos()], axis: $1) }),
      (
        "sorted",
        { x, _, draws in
          guard x.axisCount > 0, isApart(x.asDoubles) else { return nil }
          let (axis, descending) = (draws.int(0...x.axisCount - 1), draws.pick([true, false]))
          return { x, _ in x.sorted(axis: axis, descending: descending).values }
        }
      ),
      (
        "permuted",
        { x, _, draws in
          var order = Array(0..<x.axisCount)
          for i in order.indices { order.swapAt(i, draws.int(0...i)) }
          return { [order] x, _ in x.permuted(order) }
        }
      ),
      (
        "reshaped",
        { x, _, draws in
          let count = x.elementCount
          let rows = draws.pick((1...count).filter { count % $0 == 0 })
          return { x, _ in x.reshaped([rows, -1]) }
        }
      ),
      (
        "slice",
        { x, _, draws in
          guard x.axisCount > 0 else { return nil }
          let axis = draws.int(0...x.axisCount - 1)
          let start = draws.int(0...x.shape[axis] - 1)
          let (end, step) = (draws.int(start + 1...x.shape[axis]), draws.int(1...2))
          return { x, _ in x.slice(axis: axis, start..<end, step: step) }
        }
      ),
      (
        "subscript",
        { x, _, draws in
          guard x.axisCount > 1 else { return nil }
          let index = draws.int(0...x.shape[1] - 1)
          return { x, _ in x[Every(), index] }
        }
      ),
      (
        "indexSelect",
        { x, _, draws in
          guard x.axisCount > 0 else { return nil }
          let axis = draws.int(0...x.axisCount - 1)
          let index = Tensor(
            (0..<3).map { _ in Int64(draws.int(0...x.shape[axis] - 1)) }, shape: [3])
          return { x, _ in x.indexSelect(axis: axis, index) }
        }
      ),
      (
        "expanded",
        { x, _, _ in
          let shape = Shape([2] + Array(x.shape))
          return { x, _ in x.expanded(to: shape) }
        }
      ),
      (
        "maskedFilled",
        { x, _, draws in
          let mask = Tensor(
            (0..<x.elementCount).map { _ in draws.pick([true, false]) }, shape: x.shape)
          return { x, _ in x.maskedFilled(mask, 0.5) }
        }
      ),
      (
        "where",
        { x, y, draws in
          guard broadcast(x, y) else { return nil }
          let mask = Tensor(
            (0..<x.elementCount).map { _ in draws.pick([true, false]) }, shape: x.shape)
          return { x, y in Tensor.where(mask, x, y) }
        }
      ),
      (
        "tril",
        { x, _, _ in x.axisCount < 2 ? nil : { x, _ in x.tril() } }
      ),
      (
        "layerNorm",
        { x, _, _ in
          guard let width = x.shape.last, width > 1 else { return nil }
          return { x, _ in
            layerNorm(x, over: [width], weight: nil, bias: nil, epsilon: 0.1)
          }
        }
      ),
      (
        "matmul",
        { x, y, _ in
          guard x.axisCount >= 2, y.axisCount >= 2 else { return nil }
          // Columns of y by rows of x that agree, else x by itself.
          if x.axisCount == 2, y.axisCount == 2, x.shape[1] == y.shape[0] {
            return { $0.matmul($1) }
          }
          return { x, _ in x.matmul(x.transposed()) }
        }
      ),
      (
        "linear",
        { x, y, _ in
          guard x.axisCount == 2, y.axisCount == 2, x.shape[1] == y.shape[1] else { return nil }
          return { linear($0, weight: $1, bias: nil) }
        }
      ),
    ]
  }
}
