import Autograd
import Layers
import System
import Tensors
import TestSupport
import Testing

/// Layers as PyTorch prints them, names their state and counts their parameters.
struct LayerTests {
  private struct Known: Decodable {
    let printed: String
    let state, parameters, buffers: [String]
    let shapes: [[Int]]
    let parameterCount: Int
  }

  /// `Nested` of Golden/layers.py.
  final class Nested: Module {
    let stem = Sequential(
      Conv2d(1, 4, kernel: 3, padding: 1, bias: false), BatchNorm2d(4), ReLU())
    let blocks = ModuleList([
      Linear(4, 4), Linear(4, 4), Sequential(Linear(4, 4), Tanh()),
      Sequential(Linear(4, 4), Tanh()),
    ])
    let norm = LayerNorm([4])
    let head = Linear(4, 2)

    init() { blocks.append(GELU()) }

    func visit(_ v: inout Visitor) {
      v("stem", stem)
      v("blocks", blocks)
      v("norm", norm)
      v("head", head)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      let images = adaptiveAvgPool2d(stem(x), size: 1).flattened(startAxis: 1)
      return head(norm(blocks.reduce(images) { $1($0) }))
    }
  }

  /// `PlainList`: modules in a plain array, which `visit` cannot name one by one without a list.
  final class PlainList: Module {
    let layers = [Linear(2, 2), Linear(2, 2)]
    let head = Linear(2, 1)
    func visit(_ v: inout Visitor) { v("head", head) }
    func callAsFunction(_ x: Tensor) -> Tensor { head(layers.reduce(x) { $1($0) }) }
  }

  private func layer(_ name: String) -> (any Module)? {
    switch name {
    case "conv": Conv2d(1, 6, kernel: 3)
    case "conv with all":
      Conv2d(
        4, 6, kernel: HeightWidth(3, 2), stride: 2, padding: HeightWidth(1, 0), dilation: 2,
        groups: 2, bias: false)
    case "conv transposed":
      ConvTranspose2d(4, 6, kernel: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2)
    case "conv transposed, dilated": ConvTranspose2d(4, 6, kernel: 3, bias: false, dilation: 2)
    case "max pool": MaxPool2d(2)
    case "max pool with all": MaxPool2d(HeightWidth(3, 2), stride: 1, padding: 1)
    case "avg pool": AvgPool2d(2)
    case "avg pool with all":
      AvgPool2d(HeightWidth(3, 2), stride: HeightWidth(2, 1), padding: HeightWidth(1, 0))
    case "adaptive pool": AdaptiveAvgPool2d(1)
    case "adaptive pool of two": AdaptiveAvgPool2d(HeightWidth(2, 3))
    case "unflatten": Unflatten(axis: 1, sizes: [2, 3])
    case "unflatten to one": Unflatten(axis: -1, sizes: [6])
    case "leaky relu": LeakyReLU()
    case "leaky relu, steeper": LeakyReLU(0.2)
    case "gelu": GELU()
    case "silu": SiLU()
    case "sigmoid": Sigmoid()
    case "tanh": Tanh()
    case "softmax": Softmax(axis: 1)
    case "log softmax": LogSoftmax(axis: -1)
    case "threshold": Threshold(0.5, 0)
    case "threshold, negative": Threshold(-2, 0.25)
    case "dropout": Dropout()
    case "dropout of none": Dropout(0)
    case "dropout, rare": Dropout(1e-5)
    case "batch norm 1d": BatchNorm1d(3)
    case "batch norm 2d": BatchNorm2d(3, epsilon: 1e-3, momentum: nil, affine: false)
    case "batch norm without statistics":
      BatchNorm2d(3, momentum: 0.25, tracksStatistics: false)
    case "layer norm": LayerNorm([10])
    case "layer norm over two": LayerNorm([2, 3], epsilon: 1e-6, affine: false)
    case "layer norm without bias": LayerNorm([10], bias: false)
    case "embedding": Embedding(10, 3)
    case "embedding with padding": Embedding(10, 3, paddingIndex: -1)
    case "empty list": ModuleList()
    case "list": ModuleList([ReLU(), Linear(2, 2), Linear(2, 2), Linear(2, 2)])
    case "nested": Nested()
    case "plain list": PlainList()
    default: nil
    }
  }

  @Test func printsNamesShapesAndCountsAreThoseOfPyTorch() throws {
    let layers = try golden("layers.json", as: [String: Known].self)
    #expect(layers.count == 37)
    for (name, known) in layers {
      let module = try #require(layer(name), "no layer '\(name)' in this test")
      #expect(module.summary == known.printed)
      #expect(module.namedState.map(\.name) == known.state, "\(name)")
      #expect(module.namedState.map { Array($0.tensor.shape) } == known.shapes, "\(name)")
      #expect(module.namedParameters.map(\.name) == known.parameters, "\(name)")
      #expect(module.namedBuffers.map(\.name) == known.buffers, "\(name)")
      #expect(module.parameterCount == known.parameterCount, "\(name)")
    }
  }

  /// Each layer hands its own arguments on: with every argument unlike its default it computes what
  /// the op does.
  @Test func layersComputeWhatTheirOpsDo() {
    var draws = Draws(case: 1)
    let x = Tensor(draws.floats(2 * 4 * 9 * 8), shape: [2, 4, 9, 8])
    let stride = HeightWidth(2, 1)
    let conv = Conv2d(
      4, 6, kernel: HeightWidth(3, 2), stride: stride, padding: HeightWidth(1, 0),
      dilation: HeightWidth(1, 2), groups: 2)
    let back = ConvTranspose2d(
      4, 6, kernel: HeightWidth(3, 2), stride: HeightWidth(2, 3), padding: HeightWidth(1, 0),
      outputPadding: HeightWidth(1, 2), groups: 2, dilation: HeightWidth(1, 2))
    let norm = LayerNorm([9, 8], epsilon: 0.1)
    let kernel = HeightWidth(3, 2)
    let padding = HeightWidth(1, 0)
    let pairs: [(any Module, Tensor)] = [
      (
        conv,
        conv2d(
          x, weight: conv.weight, bias: conv.bias, stride: stride, padding: HeightWidth(1, 0),
          dilation: HeightWidth(1, 2), groups: 2)
      ),
      (
        back,
        convTranspose2d(
          x, weight: back.weight, bias: back.bias, stride: HeightWidth(2, 3),
          padding: HeightWidth(1, 0), outputPadding: HeightWidth(1, 2), groups: 2,
          dilation: HeightWidth(1, 2))
      ),
      (
        MaxPool2d(kernel, stride: stride, padding: padding),
        maxPool2d(x, kernel: kernel, stride: stride, padding: padding)
      ),
      (
        AvgPool2d(kernel, stride: stride, padding: padding, countsPadding: false),
        avgPool2d(x, kernel: kernel, stride: stride, padding: padding, countsPadding: false)
      ),
      (AdaptiveAvgPool2d(kernel), adaptiveAvgPool2d(x, size: kernel)),
      (LeakyReLU(0.3), x.leakyRelu(slope: 0.3)), (GELU(), x.gelu()), (SiLU(), x.silu()),
      (Sigmoid(), x.sigmoid()), (Tanh(), x.tanh()),
      (Threshold(0.1, 7), x.threshold(limit: 0.1, value: 7)),
      (Softmax(axis: 1), x.softmax(axis: 1)), (LogSoftmax(axis: 2), x.logSoftmax(axis: 2)),
      (norm, layerNorm(x, over: [9, 8], weight: norm.weight, bias: norm.bias, epsilon: 0.1)),
      (Unflatten(axis: 1, sizes: [2, -1]), x.reshaped([2, 2, 2, 9, 8] as Shape)),
      (Unflatten(axis: -1, sizes: [2, 4]), x.reshaped([2, 4, 9, 2, 4] as Shape)),
    ]
    for (module, expected) in pairs {
      let y = module(x)
      #expect(y.shape == expected.shape, "\(module.summary)")
      #expect(y.bits == expected.bits, "\(module.summary)")
    }
    let table = Embedding(5, 2, paddingIndex: 1)
    let indices = Tensor([1, 4, 1] as [Int64], shape: [3])
    let rows = table(indices)
    #expect(rows.values(Float.self) == [0, 0] + table.weight.values(Float.self)[8...] + [0, 0])
    rows.sum().backward()
    #expect(table.weight.grad?.values(Float.self) == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
  }

  @Test func parametersInAPlainArrayAreNobodys() {
    let plain = PlainList()
    #expect(plain.namedParameters.map(\.name) == ["head.weight", "head.bias"])
    #expect(plain.parameterCount == 3)
    let listed = ModuleList(plain.layers)
    #expect(
      listed.namedParameters.map(\.name) == ["0.weight", "0.bias", "1.weight", "1.bias"])
    #expect(listed.count == 2 && listed[-1] === plain.layers[1])
  }

  @Test func aNestedNetworkTrains() {
    let module = Nested()
    module.initialize(seed: 1)
    let y = module(Tensor([Float](repeating: 0.5, count: 2 * 25), shape: [2, 1, 5, 5]))
    y.sum().backward()
    #expect(module.parameters.allSatisfy { $0.grad != nil })
    module.zeroGrad()
    #expect(module.parameters.allSatisfy { $0.grad == nil })
    module.head.weight.requiresGrad = false
    #expect(module.trainableParameterCount == module.parameterCount - 8)
  }

  static let contracts = [
    BrokenContract(
      "an image into a linear layer",
      "linear: input [16, 128, 1, 1] does not fit weight [10, 128], which takes [N, 128]; flatten the "
        + "axes after the first with Flatten()"
    ) { _ = Linear(128, 10)(Tensor(zeros: [16, 128, 1, 1])) },
    BrokenContract(
      "a Flatten that stops one axis short",
      "linear: input [16, 128, 2] does not fit weight [10, 256], which takes [N, 256]; flatten the "
        + "axes after the first with Flatten()"
    ) {
      _ = Sequential(Flatten(startAxis: 1, endAxis: -2), Linear(256, 10))(
        Tensor(zeros: [16, 64, 2, 2]))
    },
    BrokenContract(
      "wrong channels",
      "conv2d: input [2, 3, 8, 8] does not fit weight [6, 1, 3, 3], which takes [N, 1, H, W]; check "
        + "the layer's input channels"
    ) { _ = Conv2d(1, 6, kernel: 3)(Tensor(zeros: [2, 3, 8, 8])) },
    BrokenContract(
      "wrong channels of groups",
      "conv2d: input [2, 3, 8, 8] does not fit weight [6, 2, 3, 3] in 2 groups, which takes "
        + "[N, 4, H, W]"
    ) { _ = Conv2d(4, 6, kernel: 3, groups: 2)(Tensor(zeros: [2, 3, 8, 8])) },
    BrokenContract(
      "a kernel larger than the input",
      "conv2d: the kernel of weight [6, 1, 5, 5] reaches over 5 elements, more than the padded input "
        + "[2, 1, 4, 8] has (4); pad more or use a smaller kernel"
    ) { _ = Conv2d(1, 6, kernel: 5)(Tensor(zeros: [2, 1, 4, 8])) },
    BrokenContract(
      "wrong channels, transposed",
      "convTranspose2d: input [2, 3, 8, 8] does not fit weight [4, 6, 3, 3] in 1 groups, which takes "
        + "[N, 4, H, W]"
    ) { _ = ConvTranspose2d(4, 6, kernel: 3)(Tensor(zeros: [2, 3, 8, 8])) },
    BrokenContract(
      "groups", "Conv2d: 4 input and 6 output channels do not divide into 4 groups"
    ) { _ = Conv2d(4, 6, kernel: 3, groups: 4) },
    BrokenContract(
      "a pooling larger than its input",
      "maxPool2d: a window of 4 is larger than the padded input [1, 2, 3, 3] (3); use a smaller kernel "
        + "or one pooling fewer"
    ) { _ = MaxPool2d(4)(Tensor(zeros: [1, 2, 3, 3])) },
    BrokenContract(
      "a padding larger than half the pooling's kernel",
      "avgPool2d: the padding 2 must be at most half the kernel's 3"
    ) { _ = AvgPool2d(3, padding: 2)(Tensor(zeros: [1, 2, 3, 3])) },
    BrokenContract(
      "one value per channel",
      "batchNorm: training needs more than one value per channel, and input [1, 3] has 1; use a "
        + "larger batch, or eval()"
    ) { _ = BatchNorm1d(3)(Tensor(zeros: [1, 3])) },
    BrokenContract(
      "channels of a norm",
      "batchNorm: input [2, 4, 1, 1] has 4 channels, the layer [3]"
    ) { _ = BatchNorm2d(3)(Tensor(zeros: [2, 4, 1, 1])) },
    BrokenContract(
      "axes of a norm", "BatchNorm2d: input [2, 3] must be [N, C, H, W]; BatchNorm1d takes [N, C]"
    ) { _ = BatchNorm2d(3)(Tensor(zeros: [2, 3])) },
    BrokenContract(
      "relu of bool",
      "relu: needs numbers, not bool; convert the tensor of shape [2, 3] with to(_:)"
    ) { _ = ReLU()(Tensor(zeros: [2, 3], .bool)) },
    BrokenContract(
      "an index out of range",
      "embedding: index 5 at place 3 of indices [2, 2] is not in 0 ..< 5"
    ) { _ = Embedding(5, 2)(Tensor([0, 4, 1, 5] as [Int64], shape: [2, 2])) },
    BrokenContract(
      "a negative index", "embedding: index -1 at place 0 of indices [1] is not in 0 ..< 5"
    ) { _ = Embedding(5, 2)(Tensor([-1] as [Int32], shape: [1])) },
    BrokenContract(
      "indices of floats", "embedding: indices must be int64 or int32, not float32"
    ) { _ = Embedding(5, 2)(Tensor(zeros: [1])) },
    BrokenContract(
      "a normalized shape", "layerNorm: input [2, 3] does not end in the normalized shape [4]"
    ) { _ = LayerNorm([4])(Tensor(zeros: [2, 3])) },
    BrokenContract(
      "unflatten", "Unflatten: axis 1 of input [2, 7] has 7 elements, which do not fill [2, 3]"
    ) { _ = Unflatten(axis: 1, sizes: [2, 3])(Tensor(zeros: [2, 7])) },
    BrokenContract("a rate", "Dropout: the rate must be in 0 ... 1, not 1.5") { _ = Dropout(1.5) },
    BrokenContract("a list is no network", "ModuleList: a list cannot be called") {
      _ = ModuleList([ReLU()])(Tensor(zeros: [1]))
    },
  ]

  @Test(arguments: contracts) func brokenContractsTrapWithTheirMessage(_ contract: BrokenContract)
    async
  {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [name = contract.name as String] in LayerTests.contracts.breakContract(name)
    }
    contract.expectMessage(result)
  }
}
