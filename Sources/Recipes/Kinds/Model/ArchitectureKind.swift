import Autograd
import Layers
import Tensors

/// A network that is more than a list of layers: its arguments, its module, and the shape it gives
/// to a sample.
struct ArchitectureKind: Sendable {
  let kind: Kind
  let module: @Sendable (Arguments) -> any Module
  /// The shape of a sample after the network from the shape before it, without the batch axis.
  /// Throws a RecipeProblem at the path, which is that of the model.
  let shape: @Sendable (Arguments, [Int], [String]) throws -> [Int]

  init(
    _ name: String, _ doc: String, _ fields: [Field] = [],
    mistake: @escaping @Sendable (Arguments) -> (key: String, what: String)? = { _ in nil },
    module: @escaping @Sendable (Arguments) -> any Module,
    shape: @escaping @Sendable (Arguments, [Int], [String]) throws -> [Int]
  ) {
    kind = Kind(name, doc, fields, mistake: mistake)
    self.module = module
    self.shape = shape
  }

  /// - Precondition: `model` is an architecture.
  static func of(_ model: Variant) -> ArchitectureKind {
    all.first { $0.kind.name == model.kind }!
  }

  /// A network of a program. Its output's shape is found by passing zeros through it.
  init(own kind: Kind, module: @escaping @Sendable (Arguments) -> any Module) {
    self.kind = kind
    self.module = module
    shape = { arguments, input, _ in
      let network = module(arguments)
      network.eval()
      let output = noGrad { network(Tensor(zeros: Shape([1] + input))) }
      return Array(output.shape.dropFirst())
    }
  }

  static let all: [ArchitectureKind] = builtIn + OwnKinds.architectures()

  static let builtIn: [ArchitectureKind] = feedForward + descents + sequences

  /// - Throws: RecipeProblem unless a sample has `shape`, where -1 is any extent.
  private static func check(
    _ input: [Int], is shape: [Int], _ key: String, _ model: String, _ path: [String]
  ) throws {
    let fits = zip(input, shape).allSatisfy { $1 == -1 || $0 == $1 }
    guard input.count == shape.count, fits else {
      let wanted = shape.map { $0 == -1 ? "any" : "\($0)" }.joined(separator: ", ")
      throw RecipeProblem(path + [key], "\(model) gets \(input) a sample; it takes [\(wanted)]")
    }
  }
}

// MARK: - Networks without state

extension ArchitectureKind {
  private static let activations: [String: @Sendable () -> any Module] = [
    "Sigmoid": { Sigmoid() }, "Tanh": { Tanh() }, "ReLU": { ReLU() },
  ]

  private static let feedForward: [ArchitectureKind] = [
    ArchitectureKind(
      "ClassifierNet", "Linear layers with an activation behind each, and one behind the last.",
      [
        .count("inputs", "Numbers of a sample."), .count("outputs", "Numbers of an output."),
        .count("hidden_layers", 1, "Linear layers before the last."),
        .count("nodes", "Outputs of each of them."),
        .choice(
          "activation", ["Sigmoid", "Tanh", "ReLU"], "Sigmoid", "What stands behind each of them."),
        .optional(
          "output_activation", .choice(["Sigmoid", "Tanh", "ReLU"]),
          "What stands behind the last; null: nothing."),
        .optional(
          "binary_threshold", .anyNumber,
          "Hidden activations become 1 above it and 0 elsewhere; null: they stay. Nothing is learned through it."
        ),
      ],
      module: { arguments in
        ClassifierNet(
          inputs: arguments.integer("inputs"), outputs: arguments.integer("outputs"),
          hiddenLayers: arguments.integer("hidden_layers"), nodes: arguments.integer("nodes"),
          activation: activations[arguments.text("activation")]!(),
          outputActivation: arguments.optionalText("output_activation").map { activations[$0]!() },
          binaryThreshold: arguments.optionalNumber("binary_threshold"))
      },
      shape: { arguments, input, path in
        try check(input, is: [arguments.integer("inputs")], "inputs", "ClassifierNet", path)
        return [arguments.integer("outputs")]
      }),
    ArchitectureKind(
      "AE", "Images through a narrow layer and back; targets are the inputs.",
      [
        .count("inputs", 784, "Pixels of an image."), .count("hidden", "Numbers of its code."),
        Field(
          "image", .list(.count, count: nil), .list([.integer(1), .integer(28), .integer(28)]),
          "The output's shape."),
      ],
      mistake: { arguments in
        let (image, inputs) = (arguments.integers("image"), arguments.integer("inputs"))
        return elementCount(image) == inputs
          ? nil : ("image", "\(image) has \(elementCount(image)) elements, not inputs, \(inputs)")
      },
      module: {
        Autoencoder(
          inputs: $0.integer("inputs"), hidden: $0.integer("hidden"), image: $0.integers("image"))
      },
      shape: { arguments, input, path in
        guard elementCount(input) == arguments.integer("inputs") else {
          throw RecipeProblem(
            path + ["inputs"], "AE gets \(input) a sample; set inputs to \(elementCount(input))")
        }
        return arguments.integers("image")
      }),
  ]

  private static let descents: [ArchitectureKind] = [
    ArchitectureKind(
      "Linear", "y = x W^T + b and nothing else; the parameters are weight and bias.",
      [
        .count("in_features", "Inputs of a sample."),
        .count("out_features", "Outputs of a sample."),
        .flag("bias", true, "Whether there is a b."),
      ],
      module: {
        Linear($0.integer("in_features"), $0.integer("out_features"), bias: $0.flag("bias"))
      },
      shape: { arguments, input, path in
        try check(input, is: [arguments.integer("in_features")], "in_features", "Linear", path)
        return [arguments.integer("out_features")]
      }),
    ArchitectureKind(
      "Parabola", "w x^2 + b; both begin at 1.", module: { _ in Parabola() },
      shape: { _, shape, _ in shape }),
    ArchitectureKind(
      "Point",
      "One parameter x, its own output whatever the input: its squared error against 0 is the parabola x^2.",
      [.number("start", "Where x begins.")],
      module: { Point(start: $0.number("start")) }, shape: { _, _, _ in [1] }),
  ]
}

// MARK: - Networks for sequences

extension ArchitectureKind {
  private static let cells = ["RNN", "LSTM", "GRU"]
  private static let cell = Field.choice("cell", cells, "The recurrent layers, as PyTorch's.")
  private static let hiddenSize = Field.count("hidden_size", "Hidden features.")

  private static func cell(_ arguments: Arguments) -> RecurrentCell {
    switch arguments.text("cell") {
    case "LSTM": .lstm
    case "GRU": .gru
    default: .tanh
    }
  }

  private static let sequences: [ArchitectureKind] = [
    ArchitectureKind(
      "RNN", "The notebooks' recurrent network, written by hand; an output at every step.",
      [
        .count("input_size", "Numbers of a step."), hiddenSize,
        .count("output_size", "Numbers of a step's output."),
        .choice("activation", ["Tanh", "ReLU"], "Tanh", "What the hidden sums go through."),
      ],
      module: {
        ElmanNetwork(
          inputSize: $0.integer("input_size"), hiddenSize: $0.integer("hidden_size"),
          outputSize: $0.integer("output_size"),
          activation: $0.text("activation") == "Tanh" ? .tanh : .relu)
      },
      shape: { arguments, input, path in
        try check(input, is: [-1, arguments.integer("input_size")], "input_size", "RNN", path)
        return [input[0], arguments.integer("output_size")]
      }),
    ArchitectureKind(
      "SequenceNet", "Recurrent layers, and a linear one behind each step.",
      [
        cell, .count("input_size", "Numbers of a step."), hiddenSize,
        .count("output_size", "Numbers of a step's output."),
        .count("layers", 1, "Recurrent layers on top of each other."),
        .flag("bidirectional", false, "Whether the series are read backwards, too."),
      ],
      module: {
        SequenceNet(
          cell: cell($0), inputSize: $0.integer("input_size"),
          hiddenSize: $0.integer("hidden_size"),
          outputSize: $0.integer("output_size"), layerCount: $0.integer("layers"),
          isBidirectional: $0.flag("bidirectional"))
      },
      shape: { arguments, input, path in
        try check(
          input, is: [-1, arguments.integer("input_size")], "input_size", "SequenceNet", path)
        return [input[0], arguments.integer("output_size")]
      }),
    ArchitectureKind(
      "SequenceAutoencoder",
      "A series through one hidden state and back, in 0 to 1; targets are the inputs.",
      [
        cell, .count("features", "Numbers of a step."), .count("length", "Steps of a series."),
        hiddenSize,
        .optional(
          "image", .list(.count, count: nil),
          "A sample's shape, where it is an image read row by row; null: [length, features]."),
      ],
      mistake: { arguments in
        guard let image = arguments.optionalIntegers("image") else { return nil }
        let series = [arguments.integer("length"), arguments.integer("features")]
        return elementCount(image) == elementCount(series)
          ? nil
          : (
            "image",
            "\(image) has \(elementCount(image)) elements, \(series) has \(elementCount(series))"
          )
      },
      module: {
        SequenceAutoencoder(
          cell: cell($0), features: $0.integer("features"), length: $0.integer("length"),
          hiddenSize: $0.integer("hidden_size"), image: $0.optionalIntegers("image"))
      },
      shape: { arguments, input, path in
        let series = [arguments.integer("length"), arguments.integer("features")]
        let sample = arguments.optionalIntegers("image") ?? series
        guard input == sample || input == series else {
          throw RecipeProblem(
            path + ["image"], "SequenceAutoencoder gets \(input) a sample; it takes \(sample)")
        }
        return input
      }),
    ArchitectureKind(
      "Seq2Seq", "A series of symbols into another: an encoder and a teacher-forced decoder.",
      [cell, .count("symbols", "Different symbols."), hiddenSize],
      module: {
        Seq2Seq(
          cell: cell($0), symbols: $0.integer("symbols"), hiddenSize: $0.integer("hidden_size"))
      },
      shape: { arguments, input, path in
        let symbols = arguments.integer("symbols")
        try check(input, is: [2, -1, symbols + 1], "symbols", "Seq2Seq", path)
        return [symbols, input[1]]
      }),
  ]
}
