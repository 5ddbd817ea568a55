/// A network as a list of layers.
public struct ModelSpec: Codable, Equatable, Sendable {
  /// The class's name, for printing: PyTorch's Sequential, or the notebook's own.
  public var typeName: String
  public var layers: [LayerSpec]

  enum CodingKeys: String, CodingKey {
    case typeName = "class"
    case layers
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    typeName = try fields.value(.typeName, default: "Sequential")
    layers = try fields.decode([LayerSpec].self, forKey: .layers)
    try fields.check(.layers, "a list of none", !layers.isEmpty, "at least one layer")
    try fields.checkNames(.layers, layers)
  }
}

/// A layer, its arguments under PyTorch's names.
public struct LayerSpec: Codable, Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    case flatten(startAxis: Int, endAxis: Int)
    case linear(inFeatures: Int, outFeatures: Int, bias: Bool)
    case conv2d(
      inChannels: Int, outChannels: Int, kernel: Int, stride: Int, padding: Int, bias: Bool)
    case maxPool2d(kernel: Int, stride: Int?)
    case relu
    case sigmoid
    case tanh
    case sequential([LayerSpec])
  }

  /// The prefix of its parameters' names; nil: its place in the list, "0", "1", ...
  public var name: String?
  public var kind: Kind

  private enum Layer: String, Codable, CaseIterable {
    case flatten = "Flatten"
    case linear = "Linear"
    case conv2d = "Conv2d"
    case maxPool2d = "MaxPool2d"
    case relu = "ReLU"
    case sigmoid = "Sigmoid"
    case tanh = "Tanh"
    case sequential = "Sequential"
  }

  enum CodingKeys: String, CodingKey {
    case layer, name, bias, layers, stride, padding
    case startAxis = "start_dim"
    case endAxis = "end_dim"
    case inFeatures = "in_features"
    case outFeatures = "out_features"
    case inChannels = "in_channels"
    case outChannels = "out_channels"
    case kernel = "kernel_size"
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    name = try fields.decodeIfPresent(String.self, forKey: .name)
    try fields.check(
      .name, name ?? "", !(name ?? "x").isEmpty && !(name ?? "").contains("."),
      "a name without dots")
    let layer: Layer = try fields.choice(.layer)
    switch layer {
    case .flatten:
      kind = .flatten(
        startAxis: try fields.value(.startAxis, default: 1),
        endAxis: try fields.value(.endAxis, default: -1))
    case .linear:
      kind = .linear(
        inFeatures: try fields.atLeastOne(.inFeatures),
        outFeatures: try fields.atLeastOne(.outFeatures),
        bias: try fields.value(.bias, default: true))
    case .conv2d:
      kind = .conv2d(
        inChannels: try fields.atLeastOne(.inChannels),
        outChannels: try fields.atLeastOne(.outChannels), kernel: try fields.atLeastOne(.kernel),
        stride: try fields.atLeastOne(.stride, default: 1),
        padding: try fields.value(.padding, default: 0),
        bias: try fields.value(.bias, default: true))
      let padding = try fields.value(.padding, default: 0)
      try fields.check(.padding, padding, padding >= 0, "0 or more")
    case .maxPool2d:
      let kernel = try fields.atLeastOne(.kernel)
      kind = .maxPool2d(
        kernel: kernel,
        stride: try fields.decodeIfPresent(Int.self, forKey: .stride) == nil
          ? nil : try fields.atLeastOne(.stride))
    case .relu:
      kind = .relu
    case .sigmoid:
      kind = .sigmoid
    case .tanh:
      kind = .tanh
    case .sequential:
      let layers = try fields.decode([LayerSpec].self, forKey: .layers)
      try fields.checkNames(.layers, layers)
      kind = .sequential(layers)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    func begin(_ layer: Layer) throws {
      try fields.encode(layer, forKey: .layer)
      try fields.encode(name, forKey: .name)
    }
    switch kind {
    case .flatten(let startAxis, let endAxis):
      try begin(.flatten)
      try fields.encode(startAxis, forKey: .startAxis)
      try fields.encode(endAxis, forKey: .endAxis)
    case .linear(let inFeatures, let outFeatures, let bias):
      try begin(.linear)
      try fields.encode(inFeatures, forKey: .inFeatures)
      try fields.encode(outFeatures, forKey: .outFeatures)
      try fields.encode(bias, forKey: .bias)
    case .conv2d(let inChannels, let outChannels, let kernel, let stride, let padding, let bias):
      try begin(.conv2d)
      try fields.encode(inChannels, forKey: .inChannels)
      try fields.encode(outChannels, forKey: .outChannels)
      try fields.encode(kernel, forKey: .kernel)
      try fields.encode(stride, forKey: .stride)
      try fields.encode(padding, forKey: .padding)
      try fields.encode(bias, forKey: .bias)
    case .maxPool2d(let kernel, let stride):
      try begin(.maxPool2d)
      try fields.encode(kernel, forKey: .kernel)
      try fields.encode(stride, forKey: .stride)
    case .relu:
      try begin(.relu)
    case .sigmoid:
      try begin(.sigmoid)
    case .tanh:
      try begin(.tanh)
    case .sequential(let layers):
      try begin(.sequential)
      try fields.encode(layers, forKey: .layers)
    }
  }
}

extension KeyedDecodingContainer {
  /// A whole number of 1 or more.
  fileprivate func atLeastOne(_ key: Key, default standard: Int? = nil) throws -> Int {
    let found =
      try standard.map { try value(key, default: $0) } ?? decode(Int.self, forKey: key)
    try check(key, found, found >= 1, "1 or more")
    return found
  }

  /// - Throws: RecipeProblem if two layers of a list would have one name.
  fileprivate func checkNames(_ key: Key, _ layers: [LayerSpec]) throws {
    let names = layers.enumerated().map { $1.name ?? String($0) }
    for (index, name) in names.enumerated() where names[..<index].contains(name) {
      throw RecipeProblem(
        codingPath + [key], "layer \(index) is named \(name) like another before it")
    }
  }
}
