import Layers

/// Recurrent layers. A sample is [time, features], and so is the output, which has all steps. There
/// is no batch_first as in PyTorch: the batch axis is always the first.
extension LayerKind {
  static let recurrent: [LayerKind] = [
    LayerKind(
      "RNN", "Elman's network, unrolled over a sample's rows.",
      recurrentFields + [
        .choice("nonlinearity", ["tanh", "relu"], "tanh", "What the sums go through.")
      ],
      module: {
        RNN(
          $0.integer("input_size"), $0.integer("hidden_size"), layerCount: $0.integer("num_layers"),
          activation: $0.text("nonlinearity") == "tanh" ? .tanh : .relu, bias: $0.flag("bias"),
          isBatchFirst: true, isBidirectional: $0.flag("bidirectional"))
      }, shape: { try unrolled("RNN", $0, $1, $2) }),
    LayerKind(
      "LSTM", "Long short-term memory, unrolled over a sample's rows.", recurrentFields,
      module: {
        LSTM(
          $0.integer("input_size"), $0.integer("hidden_size"), layerCount: $0.integer("num_layers"),
          bias: $0.flag("bias"), isBatchFirst: true, isBidirectional: $0.flag("bidirectional"))
      }, shape: { try unrolled("LSTM", $0, $1, $2) }),
    LayerKind(
      "GRU", "Gated recurrent units, unrolled over a sample's rows.", recurrentFields,
      module: {
        GRU(
          $0.integer("input_size"), $0.integer("hidden_size"), layerCount: $0.integer("num_layers"),
          bias: $0.flag("bias"), isBatchFirst: true, isBidirectional: $0.flag("bidirectional"))
      }, shape: { try unrolled("GRU", $0, $1, $2) }),
  ]

  private static let recurrentFields: [Field] = [
    .count("input_size", "Features of a row."),
    .count("hidden_size", "Hidden features of a direction."),
    .count("num_layers", 1, "Layers on top of each other."),
    .flag("bias", true, "Whether there are biases."),
    .flag("bidirectional", false, "Whether the rows are read backwards, too."),
  ]

  private static func unrolled(
    _ layer: String, _ arguments: Arguments, _ shape: [Int], _ path: [String]
  ) throws -> [Int] {
    let features = arguments.integer("input_size")
    guard shape.count == 2, shape[1] == features else {
      throw RecipeProblem(
        path,
        "\(layer) with input_size \(features) gets \(shape) a sample; "
          + (shape.count == 2 ? "set input_size to \(shape[1])" : "it takes [time, features]"))
    }
    return [shape[0], arguments.integer("hidden_size") * (arguments.flag("bidirectional") ? 2 : 1)]
  }
}
