import Autograd
import Tensors
import TestSupport
import Testing

/// The ops of feed-forward layers against PyTorch's, made by Golden/feedforward.py.
struct FeedForwardGoldenTests {
  /// The cases of all files.
  static func cases() throws -> [PyTorchCase] {
    try ["convolutions", "pooling", "activations", "normalizations"].flatMap {
      try golden("feedforward-\($0).json", as: [PyTorchCase].self)
    }
  }

  typealias Op = @Sendable (PyTorchCase, [Tensor]) -> [Tensor]

  static let ops: [String: Op] = [
    "conv2d": { known, inputs in
      [
        conv2d(
          inputs[0], weight: inputs[1], bias: inputs.count > 2 ? inputs[2] : nil,
          stride: known.pair("stride", 1), padding: known.pair("padding", 0),
          dilation: known.pair("dilation", 1), groups: known.int("groups") ?? 1)
      ]
    },
    "convTranspose2d": { known, inputs in
      [
        convTranspose2d(
          inputs[0], weight: inputs[1], bias: inputs.count > 2 ? inputs[2] : nil,
          stride: known.pair("stride", 1), padding: known.pair("padding", 0),
          outputPadding: known.pair("output_padding", 0), groups: known.int("groups") ?? 1,
          dilation: known.pair("dilation", 1))
      ]
    },
    "maxPool2d": { known, inputs in
      [
        maxPool2d(
          inputs[0], kernel: known.pair("kernel", 0), stride: known.pair("stride", 0),
          padding: known.pair("padding", 0))
      ]
    },
    "avgPool2d": { known, inputs in
      [
        avgPool2d(
          inputs[0], kernel: known.pair("kernel", 0), stride: known.pair("stride", 0),
          padding: known.pair("padding", 0), countsPadding: known.flag("countsPadding"))
      ]
    },
    "adaptiveAvgPool2d": { known, inputs in
      [adaptiveAvgPool2d(inputs[0], size: known.pair("size", 0))]
    },
    "softmax": { known, inputs in [inputs[0].softmax(axis: known.int("axis")!)] },
    "logSoftmax": { known, inputs in [inputs[0].logSoftmax(axis: known.int("axis")!)] },
    "relu": { _, inputs in [inputs[0].relu()] },
    "leakyRelu": { known, inputs in [inputs[0].leakyRelu(slope: known.number("slope")!)] },
    "gelu": { _, inputs in [inputs[0].gelu()] },
    "silu": { _, inputs in [inputs[0].silu()] },
    "threshold": { known, inputs in
      [inputs[0].threshold(limit: known.number("limit")!, value: known.number("value")!)]
    },
    "batchNorm": { known, inputs in
      let running = RunningStatistics(
        mean: inputs[1].value.copied(), variance: inputs[2].value.copied())
      let (weight, bias) = (inputs.count > 3 ? inputs[3] : nil, inputs.count > 3 ? inputs[4] : nil)
      let epsilon = known.number("epsilon")!
      let y =
        known.flag("training")
        ? batchNorm(
          inputs[0], weight: weight, bias: bias, updating: running,
          momentum: known.number("momentum")!, epsilon: epsilon)
        : batchNorm(inputs[0], weight: weight, bias: bias, using: running, epsilon: epsilon)
      return [y, running.mean, running.variance]
    },
    "layerNorm": { known, inputs in
      [
        layerNorm(
          inputs[0], over: Shape(known.ints("over")!), weight: inputs.count > 1 ? inputs[1] : nil,
          bias: inputs.count > 2 ? inputs[2] : nil, epsilon: known.number("epsilon")!)
      ]
    },
    "embedding": { known, inputs in
      [embedding(inputs[0], weight: inputs[1], paddingIndex: known.int("paddingIndex"))]
    },
  ]

  /// Both are float32 and add up to 200 terms, each in an order of its own: a sum of k terms of size
  /// m is off by sqrt(k) u m or so, u = 2^-24, and k u m at most. The softmaxes and norms divide by
  /// such sums, which doubles it; libm's exp and erf are an ulp or two. So 4e-6, about 64 u, of the
  /// largest element, and not of each: an element can be the difference of larger ones.
  @Test func valuesAndGradientsArePyTorchs() throws {
    var compared = 0
    for known in try Self.cases() {
      guard let op = Self.ops[known.op] else {
        Issue.record("an op of no test: \(known.op)")
        continue
      }
      compared += known.check(relative: 4e-6) { op(known, $0) }
    }
    #expect(compared >= 2000, "compared \(compared) tensors")
  }

  @Test func everyOpHasItsCasesInBothDTypes() throws {
    let cases = try Self.cases()
    for op in Self.ops.keys {
      let dtypes = Set(cases.filter { $0.op == op }.flatMap(\.outputs).map(\.dtype))
      #expect(dtypes.isSuperset(of: ["float32", "float64"]), "\(op)")
    }
    #expect(cases.contains { $0.inputs[0].layout == "reversed" })
  }
}

extension PyTorchCase {
  /// A pair of numbers, such as a stride.
  fileprivate func pair(_ name: String, _ otherwise: Int) -> HeightWidth {
    ints(name).map { HeightWidth($0[0], $0[1]) } ?? HeightWidth(otherwise)
  }
}
