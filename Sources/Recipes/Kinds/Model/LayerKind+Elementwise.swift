import Layers

/// Functions of single elements, or along an axis.
extension LayerKind {
  static let elementwise: [LayerKind] = [
    LayerKind("ReLU", "max(x, 0).", module: { _ in ReLU() }),
    LayerKind(
      "LeakyReLU", "x where it is positive, else negative_slope x.",
      [.number("negative_slope", 0.01, "The slope below 0.")],
      module: { LeakyReLU($0.number("negative_slope")) }),
    LayerKind(
      "GELU", "x times the normal distribution's function at x.", module: { _ in GELU() }),
    LayerKind("SiLU", "x / (1 + e^-x).", module: { _ in SiLU() }),
    LayerKind("Sigmoid", "1 / (1 + e^-x).", module: { _ in Sigmoid() }),
    LayerKind("Tanh", "tanh x.", module: { _ in Tanh() }),
    LayerKind(
      "Threshold", "x where it is above threshold, else value.",
      [
        .number("threshold", "What x must be above."),
        .number("value", "What stands for the others."),
      ],
      module: { Threshold($0.number("threshold"), $0.number("value")) }),
    LayerKind(
      "Softmax", "Probabilities: e^x / sum of e^x along an axis.", axis,
      module: { Softmax(axis: $0.integer("dim")) },
      shape: { try checkAxis("Softmax", $0, $1, $2) }),
    LayerKind(
      "LogSoftmax", "Logarithms of probabilities along an axis.", axis,
      module: { LogSoftmax(axis: $0.integer("dim")) },
      shape: { try checkAxis("LogSoftmax", $0, $1, $2) }),
    LayerKind(
      "Divide", "x / divisor; a function, which a printed module does not show.",
      [.number("divisor", "What elements are divided by.")],
      mistake: { $0.number("divisor") == 0 ? ("divisor", "division by 0") : nil },
      module: { Divide($0.number("divisor")) }),
  ]

  private static let axis = [Field("dim", .anyInteger, "The axis; 0 is the batch's, -1 the last.")]

  private static func checkAxis(
    _ layer: String, _ arguments: Arguments, _ shape: [Int], _ path: [String]
  ) throws -> [Int] {
    _ = try index(of: arguments.integer("dim"), in: shape, layer, path)
    return shape
  }
}
