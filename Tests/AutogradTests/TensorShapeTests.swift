import Autograd
import Tensors
import TestSupport
import Testing

/// Shapes, matrix products, joining, slices, indices, masks, order and creation against PyTorch's,
/// made by Golden/shaping.py.
struct TensorShapeTests {
  typealias Call = @Sendable (PyTorchCase, [Tensor]) -> [Tensor]

  static func dtype(_ known: PyTorchCase) -> DType {
    DType.allCases.first { $0.description == known.text("dtype") }!
  }

  static let shapes: [String: Call] = [
    "reshape": { [$1[0].reshaped($0.ints("to")!)] },
    "flatten": { [$1[0].flattened(startAxis: $0.int("a")!, endAxis: $0.int("b")!)] },
    "permute": { [$1[0].permuted($0.ints("order")!)] },
    "transpose": { [$1[0].transposed($0.int("a")!, $0.int("b")!)] },
    "squeeze": { [$1[0].squeezed(axes: $0.ints("axes"))] },
    "unsqueeze": { [$1[0].unsqueezed($0.int("axis")!)] },
    "expand": { [$1[0].expanded(to: Shape($0.ints("to")!))] },
    "matmul": { [$1[0].matmul($1[1])] },
    "cat": { [Tensor.cat($1, axis: $0.int("axis")!)] },
    "stack": { [Tensor.stack($1, axis: $0.int("axis")!)] },
    "split": { $1[0].split($0.int("size")!, axis: $0.int("axis")!) },
    "splitSizes": { $1[0].split(sizes: $0.ints("sizes")!, axis: $0.int("axis")!) },
    "chunk": { $1[0].chunk($0.int("n")!, axis: $0.int("axis")!) },
    "unstacked": { $1[0].unstacked() },
  ]

  static let indices: [String: Call] = [
    "subscript": { known, inputs in
      let x = inputs[0]
      switch known.text("name") {
      case "0": return [x[0]]
      case "-1": return [x[-1]]
      case "1..<3": return [x[1..<3]]
      case "2...": return [x[2...]]
      case "..<2": return [x[..<2]]
      case "...2": return [x[...2]]
      case "1...3": return [x[1...3]]
      case "every, 1": return [x[Every(), 1]]
      case "every, -1, 1..<3": return [x[Every(), -1, 1..<3]]
      case "2, 1, 0": return [x[2, 1, 0]]
      case "1..<1": return [x[1..<1]]
      case "every, every, 0": return [x[Every(), Every(), 0]]
      case "1..<4, 2": return [x[1..<4, 2]]
      case "2, ..<2": return [x[2, ..<2]]
      default: fatalError("no such slice")
      }
    },
    "slice": {
      [
        $1[0].slice(
          axis: $0.int("axis")!, $0.int("a")!..<$0.int("b")!, step: $0.int("step")!)
      ]
    },
    "narrow": {
      [$1[0].narrow(axis: $0.int("axis")!, start: $0.int("start")!, count: $0.int("n")!)]
    },
    "gather": { [$1[0].gather(axis: $0.int("axis")!, $1[1])] },
    "indexSelect": { [$1[0].indexSelect(axis: $0.int("axis")!, $1[1])] },
    "byIndices": { [$1[0][$1[1]]] },
    "maskedFill": { [$1[0].maskedFilled($1[1], $0.number("number") ?? -1.5)] },
    "maskedSelect": { [$1[0].maskedSelected($1[1])] },
    "maskedAssign": { _, inputs in
      let x = inputs[0].copied()
      x.assign(7, where: inputs[1])
      return [x]
    },
    "maskedAssignList": { _, inputs in
      let x = inputs[0].copied()
      x[inputs[1]] = inputs[2]
      return [x]
    },
    "sort": {
      let (values, indices) = $1[0].sorted(axis: $0.int("axis")!, descending: $0.flag("descending"))
      return [values, indices]
    },
    "argsort": { [$1[0].argsort(axis: $0.int("axis")!, descending: $0.flag("descending"))] },
    "topk": {
      let (values, indices) = $1[0].topk(
        $0.int("n")!, axis: $0.int("axis")!, largest: $0.flag("largest"))
      return [values, indices]
    },
    "cumulativeSum": { [$1[0].cumulativeSum(axis: $0.int("axis")!)] },
    "flip": { [$1[0].flipped(axes: $0.ints("axes")!)] },
    "tril": { [$1[0].tril(diagonal: $0.int("k")!)] },
    "triu": { [$1[0].triu(diagonal: $0.int("k")!)] },
    "unique": {
      let (values, counts) = $1[0].uniqueWithCounts()
      return [values, counts]
    },
    "oneHot": { [$1[0].oneHot($0.int("n")!)] },
  ]

  static let creation: [String: Call] = [
    "arange": { known, _ in
      [
        Tensor.arange(
          known.number("a")!, known.number("b")!, step: known.number("step")!, dtype(known))
      ]
    },
    "arangeInt": { known, _ in
      [Tensor.arange(known.int("a")!, known.int("b")!, step: known.int("step")!)]
    },
    "linspace": { known, _ in
      [Tensor.linspace(known.number("a")!, known.number("b")!, known.int("n")!, dtype(known))]
    },
    "eye": { known, _ in [Tensor.eye(known.int("rows")!, known.int("columns")!, dtype(known))] },
    "full": { known, _ in [Tensor.full(Shape(known.ints("shape")!), 3, dtype(known))] },
    "zeros": { known, _ in [Tensor.zeros(Shape(known.ints("shape")!), dtype(known))] },
    "ones": { known, _ in [Tensor.ones(Shape(known.ints("shape")!), dtype(known))] },
    "literal": { _, _ in
      [
        Tensor([[1, 2], [3, 4]]), Tensor([[1, 2.5], [3, 4]]), Tensor([1, 2, 3]),
        Tensor([[[1.0, 2]], [[3, 4]]]), Tensor([true, false]), Tensor([[1, 2]] as [[Double]]),
      ]
    },
  ]

  static var calls: [String: Call] {
    shapes.merging(indices) { $1 }.merging(creation) { $1 }
  }

  /// All but matmul, cumulative sums, arange and linspace move values and round nothing (gradients
  /// that meet are sums of a few). Products here add up at most 17 terms, each rounded by
  /// u = 2^-24: 2e-6, some 33 u, of the largest element. float64 gets 2e-14, which is 180 of its u.
  /// Terms that cancel are of size 1: 0.1 is the least scale.
  @Test func valuesAndGradientsArePyTorchs() throws {
    let cases = try golden("shaping.json", as: [PyTorchCase].self)
    let calls = TensorShapeTests.calls
    var compared = 0
    for known in cases {
      guard let call = calls[known.op] else {
        Issue.record("an op of no test: \(known.op)")
        continue
      }
      compared += known.check(relative: 2e-6, leastScale: 0.1) { call(known, $0) }
    }
    #expect(compared >= 1970)
    #expect(Set(cases.map(\.op)) == Set(calls.keys))
  }
}
