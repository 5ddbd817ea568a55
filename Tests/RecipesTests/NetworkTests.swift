import Foundation
import Layers
import Recipes
import System
import Tensors
import TestSupport
import Testing

/// A kind of layer or architecture with the arguments it must have, and a sample that fits it.
struct Network: Sendable, CustomTestStringConvertible {
  let yaml: String
  let input: [Int]
  /// By PyTorch's documentation of the layer.
  let output: [Int]
  let names: [String]

  init(_ yaml: String, _ input: [Int], _ output: [Int], _ names: [String] = []) {
    (self.yaml, self.input, self.output, self.names) = (yaml, input, output, names)
  }
  var testDescription: String { yaml }
}

/// A recipe whose data's shapes are known only when they are opened.
private func recipe(model: String) throws -> Recipe {
  try RecipeText(
    """
    name: mine
    data: {dataset: npy, path: mine.npz, target_kind: number}
    model: \(model)
    loss: mse
    optimizer: {kind: sgd, lr: 0.1}
    batch_size: 2
    epochs: 1
    """, source: "my.yaml"
  ).recipe()
}

/// What the shape rule says, what the module does and what PyTorch documents are one.
private func check(_ network: Network, model: String) throws {
  let recipe = try recipe(model: model)
  let again = try RecipeText(recipe.yaml, source: "again").recipe()
  #expect(again == recipe && again.yaml == recipe.yaml)
  let module = recipe.model.module()
  module.initialize(seed: 1)
  #expect(module.namedParameters.map(\.name) == network.names)
  let x = Tensor(zeros: Shape([2] + network.input))
  #expect(Array(module(x).shape) == [2] + network.output)
  try recipe.check(inputShape: network.input, targetShape: network.output, classCount: nil)
  expectFailure(.usage, "the network turns a sample into \(network.output), mse on npy needs [9") {
    try recipe.check(
      inputShape: network.input, targetShape: [9] + network.output, classCount: nil)
  }
}

@Suite struct LayerKindTests {
  static let layers = [
    Network("Flatten", [3, 4, 5], [60]),
    Network("Flatten, start_dim: 2, end_dim: 3", [3, 4, 5], [3, 20]),
    Network("Unflatten, dim: 1, unflattened_size: [2, -1]", [6], [2, 3]),
    Network("Unflatten, dim: -1, unflattened_size: [3, 2]", [4, 6], [4, 3, 2]),
    Network("View, shape: [1, 6]", [2, 3], [1, 6]),
    Network("Divide, divisor: 255", [3], [3]),
    Network("Linear, in_features: 4, out_features: 3", [4], [3], ["0.weight", "0.bias"]),
    Network("Linear, in_features: 4, out_features: 3, bias: false", [5, 4], [5, 3], ["0.weight"]),
    Network(
      "MultiheadAttention, embed_dim: 4, num_heads: 2", [3, 4], [3, 4],
      ["0.in_proj_weight", "0.in_proj_bias", "0.out_proj.weight", "0.out_proj.bias"]),
    Network(
      "Conv2d, in_channels: 2, out_channels: 3, kernel_size: 3", [2, 8, 9], [3, 6, 7],
      ["0.weight", "0.bias"]),
    Network(
      "Conv2d, in_channels: 2, out_channels: 4, kernel_size: [3, 1], stride: [2, 1], padding: [1, 0], dilation: [2, 1], groups: 2",
      [2, 8, 9], [4, 3, 9], ["0.weight", "0.bias"]),
    Network(
      "ConvTranspose2d, in_channels: 2, out_channels: 3, kernel_size: 3, stride: 2, padding: 1, output_padding: 1",
      [2, 7, 7], [3, 14, 14], ["0.weight", "0.bias"]),
    Network("MaxPool2d, kernel_size: 2", [2, 7, 8], [2, 3, 4]),
    Network("MaxPool2d, kernel_size: 3, stride: 1, padding: 1", [2, 7, 8], [2, 7, 8]),
    Network("AvgPool2d, kernel_size: [2, 4], count_include_pad: false", [2, 7, 8], [2, 3, 2]),
    Network("AdaptiveAvgPool2d, output_size: [1, 2]", [2, 7, 8], [2, 1, 2]),
    Network("BatchNorm1d, num_features: 3", [3], [3], ["0.weight", "0.bias"]),
    Network("BatchNorm1d, num_features: 3, affine: false", [3, 5], [3, 5]),
    Network(
      "BatchNorm2d, num_features: 3, momentum: null", [3, 5, 5], [3, 5, 5], ["0.weight", "0.bias"]),
    Network("BatchNorm1d, num_features: 3, sync: true", [3], [3], ["0.weight", "0.bias"]),
    Network("LayerNorm, normalized_shape: [4]", [3, 4], [3, 4], ["0.weight", "0.bias"]),
    Network("Dropout", [3], [3]), Network("ReLU", [3], [3]), Network("LeakyReLU", [3], [3]),
    Network("GELU", [3], [3]), Network("SiLU", [3], [3]), Network("Sigmoid", [3], [3]),
    Network("Tanh", [3], [3]), Network("Threshold, threshold: 0.5, value: 0", [3], [3]),
    Network("Softmax, dim: 1", [3], [3]), Network("LogSoftmax, dim: -1", [2, 3], [2, 3]),
    Network(
      "RNN, input_size: 2, hidden_size: 3", [5, 2], [5, 3],
      ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].map { "0." + $0 }),
    Network(
      "LSTM, input_size: 2, hidden_size: 3, bidirectional: true, bias: false", [5, 2], [5, 6],
      ["weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse"]
        .map { "0." + $0 }),
    Network(
      "GRU, input_size: 2, hidden_size: 3, bias: false", [5, 2], [5, 3],
      ["0.weight_ih_l0", "0.weight_hh_l0"]),
    Network(
      "Sequential, name: net, layers: [{layer: Linear, in_features: 2, out_features: 1}]", [2], [1],
      ["net.0.weight", "net.0.bias"]),
  ]

  @Test(arguments: layers)
  func modulesAreWhatTheirShapesSay(layer: Network) throws {
    try check(layer, model: "{layers: [{layer: \(layer.yaml)}]}")
  }

  @Test(arguments: [
    Network(
      "ClassifierNet, inputs: 2, outputs: 1, nodes: 3, output_activation: Sigmoid", [2], [1],
      ["layer_list.0.weight", "layer_list.0.bias", "output_layer.weight", "output_layer.bias"]),
    Network(
      "AE, inputs: 6, hidden: 2, image: [1, 2, 3]", [1, 2, 3], [1, 2, 3],
      ["net.1.weight", "net.1.bias", "net.3.weight", "net.3.bias"]),
    Network("Linear, in_features: 2, out_features: 3", [2], [3], ["weight", "bias"]),
    Network("Parabola", [1], [1], ["w", "b"]), Network("Point, start: 1", [1], [1], ["x"]),
    Network(
      "RNN, input_size: 2, hidden_size: 4, output_size: 3", [5, 2], [5, 3],
      ["w_hh", "w_hx", "w_yh", "b_h", "b_y"]),
    Network(
      "SequenceNet, cell: GRU, input_size: 2, hidden_size: 4, output_size: 3, bidirectional: true",
      [5, 2], [5, 3],
      ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].flatMap { ["rnn.\($0)"] }
        + ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].map { "rnn.\($0)_reverse" }
        + ["head.weight", "head.bias"]),
    Network(
      "SequenceAutoencoder, cell: RNN, features: 4, length: 3, hidden_size: 2, image: [1, 3, 4]",
      [1, 3, 4], [1, 3, 4],
      ["encoder", "decoder"].flatMap { part in
        ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].map { "\(part).\($0)" }
      } + ["head.weight", "head.bias"]),
    Network(
      "Seq2Seq, cell: LSTM, symbols: 3, hidden_size: 4", [2, 5, 4], [3, 5],
      ["encoder", "decoder"].flatMap { part in
        ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"].map { "\(part).\($0)" }
      } + ["head.weight", "head.bias"]),
  ])
  func architecturesAreWhatTheirShapesSay(architecture: Network) throws {
    try check(architecture, model: "{architecture: \(architecture.yaml)}")
  }

  /// No kind is left out above.
  @Test func allKindsOfLayersAreTried() throws {
    let schema = try #require(
      JSONSerialization.jsonObject(with: Data(RecipeSchema.json.utf8)) as? [String: Any])
    let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
    let kinds = (definitions["layer"]!["oneOf"] as! [[String: Any]]).map { $0["title"] as! String }
    let tried = LayerKindTests.layers.map { String($0.yaml.prefix { $0 != "," }) }
    #expect(Set(tried) == Set(kinds))
  }

  @Test(arguments: [
    ("relu", "RNN", true), ("tanh", "RNN", false),
  ])
  func nonlinearityIsTheRecipes(name: String, layer: String, reachesBeyondOne: Bool) throws {
    let recipe = try recipe(
      model: """
        {layers: [{layer: \(layer), input_size: 1, hidden_size: 1, nonlinearity: \(name)}],
         initial: {0.weight_ih_l0: 1, 0.weight_hh_l0: 1, 0.bias_ih_l0: 0, 0.bias_hh_l0: 0}}
        """)
    let module = recipe.model.module()
    recipe.model.setInitialValues(of: module)
    let y = module(Tensor([Float](repeating: 1, count: 3), shape: [1, 3, 1]))
    #expect((y.pointer(Float.self)[2] > 1) == reachesBeyondOne)
  }

  /// Their arguments reach the layers.
  @Test func printedModulesShowTheRecipesArguments() throws {
    let recipe = try recipe(
      model: """
        {layers: [
          {layer: Conv2d, in_channels: 2, out_channels: 4, kernel_size: [3, 5], stride: 2,
           padding: [1, 2], dilation: [1, 2], groups: 2, bias: false},
          {layer: BatchNorm2d, num_features: 4, eps: 0.5, momentum: 0.25, affine: false},
          {layer: LeakyReLU, negative_slope: 0.2}, {layer: Dropout, p: 0.25},
          {layer: Threshold, threshold: 0.5, value: 2}, {layer: Softmax, dim: 1}]}
        """)
    let summary = recipe.model.module().summary
    for part in [
      "Conv2d(2, 4, kernel_size=(3, 5), stride=(2, 2), padding=(1, 2), dilation=(1, 2), groups=2, bias=False)",
      "BatchNorm2d(4, eps=0.5, momentum=0.25, affine=False", "negative_slope=0.2", "p=0.25",
      "threshold=0.5, value=2", "dim=1",
    ] {
      #expect(summary.contains(part), "\(summary)")
    }
  }
}
