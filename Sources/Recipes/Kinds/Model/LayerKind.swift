import Layers

/// A kind of layer: its arguments under PyTorch's names, its module, and the shape it gives to a
/// sample.
struct LayerKind: Sendable {
  let kind: Kind
  let module: @Sendable (Arguments) -> any Module
  /// The shape of a sample after the layer from the shape before it, without the batch axis. Throws
  /// a RecipeProblem at the path, which is that of the layer.
  let shape: @Sendable (Arguments, [Int], [String]) throws -> [Int]

  init(
    _ name: String, _ doc: String, _ fields: [Field] = [],
    mistake: @escaping @Sendable (Arguments) -> (key: String, what: String)? = { _ in nil },
    module: @escaping @Sendable (Arguments) -> any Module,
    shape: @escaping @Sendable (Arguments, [Int], [String]) throws -> [Int] = { _, shape, _ in shape
    }
  ) {
    kind = Kind(name, doc, fields, mistake: mistake)
    self.module = module
    self.shape = shape
  }

  /// All layers, in the order of the schema.
  static let all: [LayerKind] =
    reshaping + connected + images + normalizing + elementwise + recurrent

  static let table: VariantTable = VariantTable(
    "layer", "A layer, its arguments under PyTorch's names.", tag: "layer", kinds: all.map(\.kind),
    first: [
      .optional(
        "name", .text(.withoutDots),
        "The prefix of its parameters' names; null: its place in the list, as 0, 1, ...")
    ])

  static let list: ValueType = ValueType.list(.variant { table }, count: nil)

  /// - Precondition: `layer` is a layer.
  static func of(_ layer: Variant) -> LayerKind { all.first { $0.kind.name == layer.kind }! }

  /// The layers in sequence; their parameters have no values yet.
  static func sequential(_ layers: [Variant], typeName: String) -> Sequential {
    Sequential(
      named: layers.enumerated().map {
        ($1.arguments.optionalText("name") ?? String($0), of($1).module($1.arguments))
      }, typeName: typeName)
  }

  static func shape(after layers: [Variant], _ input: [Int], _ path: [String]) throws -> [Int] {
    var shape = input
    for (index, layer) in layers.enumerated() {
      shape = try of(layer).shape(layer.arguments, shape, path + ["\(index)"])
    }
    return shape
  }

  /// The mistake where two layers of a list have the same name.
  static func nameMistake(_ layers: [Variant]) -> (key: String, what: String)? {
    let names = layers.enumerated().map { $1.arguments.optionalText("name") ?? String($0) }
    for (index, name) in names.enumerated() where names[..<index].contains(name) {
      return ("layers", "layer \(index) is named \(name) like another before it")
    }
    return nil
  }
}

/// The number of elements of a shape; Int.max where an Int cannot hold it.
func elementCount(_ shape: [Int]) -> Int {
  shape.reduce(1) { product, extent in
    let (value, overflows) = product.multipliedReportingOverflow(by: extent)
    return overflows ? .max : value
  }
}
