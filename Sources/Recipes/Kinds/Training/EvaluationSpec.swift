import Training

/// What is measured on the held-out samples.
package struct EvaluationSpec: Equatable, Sendable {
  package enum Metric: String, Sendable { case accuracy, none }

  /// nil: derived from the loss and the targets.
  package let metric: Metric?
  /// An output of one number, such as a probability, means class 1 above this threshold.
  package let threshold: Double
  package let earlyStopping: EarlyStopping?
  /// Epochs between evaluations.
  package let every: Int

  init(_ fields: Arguments) {
    metric = fields.optionalText("metric").map { Metric(rawValue: $0)! }
    threshold = fields.number("threshold")
    earlyStopping = fields.optionalFields("early_stopping").map {
      EarlyStopping(
        monitor: EarlyStopping.Monitor(rawValue: $0.text("monitor"))!,
        patience: $0.integer("patience"), minimumDelta: $0.number("min_delta"))
    }
    every = fields.integer("every")
  }

  static let fields: [Field] = [
    .optional(
      "metric", .choice(["accuracy", "none"]),
      "What is measured beside the loss; null: what loss and targets allow."),
    .number("threshold", 0.5, "Where an output of one number becomes class 1."),
    .optional(
      "early_stopping",
      .fields([
        .count("patience", 5, "Evaluations in a row that may be no better."),
        .choice(
          "monitor", EarlyStopping.Monitor.allCases.map(\.rawValue), "loss",
          "What of the validation split must get better."),
        .number("min_delta", .nonNegative, 0, "How much better counts."),
      ]), "Ends a run that no longer gets better on the validation split."),
    .count("every", 1, "Epochs from one evaluation, and one checkpoint, to the next."),
  ]
}
