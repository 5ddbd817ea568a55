import Tensors

/// All settings that decide the bits of a training run; a YAML file on disk.
package struct Recipe: Equatable, Sendable {
  /// All values, in the order of `table`.
  var fields: Arguments
  /// The lines of the values in the text, for messages only.
  var lines: RecipeLines?

  package static func == (a: Recipe, b: Recipe) -> Bool { a.fields == b.fields }

  static let table: [Field] = [
    Field("name", .text(.plainName), "The recipe's name; run directories are called after it."),
    Field("expect", .anyText, .text(""), "One line on what to expect of it."),
    Field("data", .variant { DataSpec.table }, "Which samples, and what is done to them."),
    Field(
      "model", .variant { ModelSpec.table },
      "The network: a list of layers, or an architecture with its arguments."),
    Field("loss", .variant { LossSpec.table }, "What training makes smaller."),
    Field("optimizer", .variant { OptimizerSpec.table }, "How gradients become new parameters."),
    Field(
      "schedule", .variant { ScheduleSpec.table },
      .variant(ScheduleSpec.table.defaultVariant("constant")),
      "How the learning rate goes along the run."),
    .optional(
      "clip_norm", .number(.positive),
      "The largest Euclidean norm of a step's gradient; a longer one is scaled down to it. null: none."
    ),
    .count("batch_size", "Samples in a global batch: over all ranks and shards."),
    .optional(
      "micro_batch", .count,
      "The most samples of a shard's part of a batch that are computed at once, which bounds the memory; the gradients of the pieces add up. null: the whole part."
    ),
    .choice(
      "compress", ["none", "bf16"], "none",
      "Whether gradients are rounded to bfloat16, each shard's and every sum of them, so that hosts send half the bytes; they are added in float32."
    ),
    .choice(
      "precision", Precision.allCases.map(\.rawValue), Precision.float32.rawValue,
      "What Linear layers and convolutions round their operands to, forward and backward; parameters, sums and results are float32."
    ),
    .integer("epochs", "Passes over the training split."),
    .flag("shuffle", true, "Whether each epoch has an order of its own."),
    Field("seed", .seed, .seed(0), "Of initial weights, order, dropout and augmentation."),
    .optional(
      "shards", .integer(1...65536),
      "Logical shards; at least as many as ranks. null: as many as the first launch has ranks."),
    .flag(
      "leftover_gradient", false,
      "Whether step 1 adds the gradient of an earlier backward pass at the same weights."),
    .fields(
      "evaluation", EvaluationSpec.fields,
      "What is measured on the samples that are not trained on."),
  ]

  package var name: String { fields.text("name") }
  package var expect: String { fields.text("expect") }
  package var data: DataSpec {
    get { DataSpec(variant: fields.variant("data")) }
    set { fields["data"] = .variant(newValue.variant) }
  }
  package var model: ModelSpec { ModelSpec(variant: fields.variant("model")) }
  package var loss: LossSpec { LossSpec(variant: fields.variant("loss")) }
  package var optimizer: OptimizerSpec { OptimizerSpec(variant: fields.variant("optimizer")) }
  package var schedule: ScheduleSpec { ScheduleSpec(variant: fields.variant("schedule")) }
  /// The largest Euclidean norm of a step's gradient; nil: none.
  package var clipNorm: Double? { fields.optionalNumber("clip_norm") }
  /// Samples in a global batch: over all ranks and shards.
  package var batchSize: Int { fields.integer("batch_size") }
  /// Whether gradients, and all sums of them, are rounded to bfloat16.
  package var compressesGradients: Bool { fields.text("compress") == "bf16" }
  /// The maximum number of samples of a shard's part of a batch that are computed at once; nil: the
  /// whole part.
  package var microBatch: Int? { fields.optionalInteger("micro_batch") }
  /// The type that Linear layers and convolutions round their operands to.
  package var precision: Precision { Precision(rawValue: fields.text("precision"))! }
  package var epochs: Int { fields.integer("epochs") }
  /// Whether each epoch has an order of its own.
  package var shuffle: Bool { fields.flag("shuffle") }
  package var seed: UInt64 { fields.seed("seed") }
  /// Logical shards; nil: as many as the first launch has ranks.
  package var shards: Int? {
    get { fields.optionalInteger("shards") }
    set { fields["shards"] = newValue.map(Value.integer) ?? .null }
  }
  /// Whether step 1 adds the gradient of an earlier backward pass at the same weights.
  package var addsLeftoverGradient: Bool { fields.flag("leftover_gradient") }
  package var evaluation: EvaluationSpec { EvaluationSpec(fields.fields("evaluation")) }

  /// Checks values that are each valid against each other.
  /// - Throws: RecipeProblem where they contradict each other.
  func check() throws {
    try data.check()
    if evaluation.earlyStopping != nil, data.holdout.validation == 0,
      data.holdout.folds == nil
    {
      throw RecipeProblem(
        ["evaluation", "early_stopping"],
        "it watches the validation split, and there is none; set data.split.validation, such as 0.1"
      )
    }
    try checkShapes()
    try model.checkInitial()
    if microBatch != nil, let layer = model.module().globalBatchLayers.first {
      throw RecipeProblem(
        ["micro_batch"],
        "layer \(layer.name) normalizes over the global batch (sync: true), which must be in memory "
          + "at once; set micro_batch to null, or the layer's sync to false")
    }
  }
}

extension Recipe: CustomStringConvertible {
  package var description: String { "recipe \(name)" }
}
