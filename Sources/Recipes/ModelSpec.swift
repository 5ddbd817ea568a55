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
    case relu
    case sequential([LayerSpec])
  }

  /// The prefix of its parameters' names; nil: its place in the list, "0", "1", ...
  public var name: String?
  public var kind: Kind

  private enum Layer: String, Codable, CaseIterable {
    case flatten = "Flatten"
    case linear = "Linear"
    case relu = "ReLU"
    case sequential = "Sequential"
  }

  enum CodingKeys: String, CodingKey {
    case layer, name, bias, layers
    case startAxis = "start_dim"
    case endAxis = "end_dim"
    case inFeatures = "in_features"
    case outFeatures = "out_features"
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
      let inputs = try fields.decode(Int.self, forKey: .inFeatures)
      let outputs = try fields.decode(Int.self, forKey: .outFeatures)
      try fields.check(.inFeatures, inputs, inputs >= 1, "1 or more")
      try fields.check(.outFeatures, outputs, outputs >= 1, "1 or more")
      kind = .linear(
        inFeatures: inputs, outFeatures: outputs, bias: try fields.value(.bias, default: true))
    case .relu:
      kind = .relu
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
    case .relu:
      try begin(.relu)
    case .sequential(let layers):
      try begin(.sequential)
      try fields.encode(layers, forKey: .layers)
    }
  }
}

extension KeyedDecodingContainer {
  /// - Throws: RecipeProblem if two layers of a list would have one name.
  fileprivate func checkNames(_ key: Key, _ layers: [LayerSpec]) throws {
    let names = layers.enumerated().map { $1.name ?? String($0) }
    for (index, name) in names.enumerated() where names[..<index].contains(name) {
      throw RecipeProblem(
        codingPath + [key], "layer \(index) is named \(name) like another before it")
    }
  }
}
