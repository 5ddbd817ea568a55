import Layers
import Tensors

/// A network: a list of layers, or a named architecture.
package struct ModelSpec: Equatable, Sendable {
  let variant: Variant

  static let table = VariantTable(
    "model", "The network: a list of layers, or an architecture with its arguments.",
    tag: "architecture", kinds: ArchitectureKind.all.map(\.kind),
    untagged: Kind(
      "layers", "Layers one after the other.",
      [
        Field(
          "class", .text(.notEmpty), .text("Sequential"),
          "The class's name, for printing: PyTorch's Sequential, or a notebook's own."),
        Field("layers", LayerKind.list, "The layers, in order."),
      ], mistake: { LayerKind.nameMistake($0.variants("layers")) }),
    last: [
      .optional(
        "initial", .numbersByName,
        "Parameters that begin with these values instead of seeded ones: a mapping from a parameter's name to one number for all its elements, or a flat list of them."
      )
    ])

  /// The layers; nil where the model is an architecture.
  package var layers: [Variant]? {
    variant.tag == nil ? variant.arguments.variants("layers") : nil
  }

  /// The architecture and its arguments; nil where the model is a list of layers.
  package var architecture: Variant? { variant.tag == nil ? nil : variant }

  /// The initial values of parameters: one number for all elements, or one for each element.
  package var initial: [(name: String, values: [Double])] {
    guard let fields = variant.arguments.optionalFields("initial") else { return [] }
    return fields.entries.map { entry in
      if case .number(let number) = entry.value { return (entry.key, [number]) }
      return (entry.key, fields.numbers(entry.key))
    }
  }

  /// The network; its parameters have neither seeded values nor those of `initial` yet.
  package func module() -> any Module {
    guard let layers else { return ArchitectureKind.of(variant).module(variant.arguments) }
    return LayerKind.sequential(layers, typeName: variant.arguments.text("class"))
  }

  /// Sets the parameters that `initial` names. Call it after `initialize(seed:)`.
  package func setInitialValues(of module: any Module) {
    let parameters = module.namedParameters
    for (name, values) in initial {
      let tensor = parameters.first { $0.name == name }!.tensor
      let elements = tensor.pointer(Float.self)
      for index in 0..<tensor.elementCount {
        elements[index] = Float(values.count == 1 ? values[0] : values[index])
      }
    }
  }

  /// - Throws: RecipeProblem where `initial` names no parameter, or has another number of elements
  ///   than the parameter.
  func checkInitial() throws {
    guard !initial.isEmpty else { return }
    let parameters = module().namedParameters
    for (name, values) in initial {
      let path = ["model", "initial", name]
      guard let tensor = parameters.first(where: { $0.name == name })?.tensor else {
        throw RecipeProblem(
          path,
          "the network has no such parameter; "
            + Spelling.hint(for: name, among: parameters.map(\.name)))
      }
      guard values.count == 1 || values.count == tensor.elementCount else {
        throw RecipeProblem(
          path,
          "\(values.count) numbers do not fill \(tensor.shape); give \(tensor.elementCount), or one "
            + "for all")
      }
    }
  }

  /// The shape of a sample after the network.
  /// - Throws: RecipeProblem at the layer that does not fit.
  func shape(after input: [Int]) throws -> [Int] {
    guard let layers else {
      return try ArchitectureKind.of(variant).shape(variant.arguments, input, ["model"])
    }
    return try LayerKind.shape(after: layers, input, ["model", "layers"])
  }
}
