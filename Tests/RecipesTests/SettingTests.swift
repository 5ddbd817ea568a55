import Recipes
import TestSupport
import Testing

/// `--set KEY=VALUE`.
@Suite struct SettingTests {
  private func recipe(_ settings: (String, String)..., of name: String = "fashion-mnist") throws
    -> Recipe
  {
    var text = try BuiltInRecipe.named(name)!.text
    for (path, value) in settings { try text.set(path, to: value) }
    return try text.recipe()
  }

  @Test func anyFieldCanBeSet() throws {
    let recipe = try recipe(
      ("batch_size", "50"), ("optimizer.lr", "1e-2"), ("optimizer.betas.1", "0.99"),
      ("model.layers.1.out_features", "16"), ("model.layers.3.in_features", "16"),
      ("shuffle", "false"), ("data.path", "'12'"), ("seed", "18446744073709551615"),
      ("shards", "7"),
      ("model.class", "Net"), ("model.layers.1.name", "hidden"))
    #expect(recipe.batchSize == 50 && recipe.optimizer.lr == 0.01)
    #expect(recipe.optimizer.arguments.numbers("betas") == [0.9, 0.99] && recipe.shards == 7)
    let layers = try #require(recipe.model.layers)
    #expect(layers[1].arguments.integer("out_features") == 16)
    #expect(layers[1].arguments.text("name") == "hidden")
    #expect(recipe.model.module().typeName == "Net")
    #expect(!recipe.shuffle && recipe.data.path == "12" && recipe.seed == .max)
  }

  @Test func wholeBranchesCanBeSet() throws {
    let recipe = try recipe(
      ("optimizer", "{kind: sgd, lr: 0.5}"),
      ("model.layers", "[{layer: Flatten}, {layer: Linear, in_features: 784, out_features: 10}]"))
    #expect(recipe.optimizer.kind == "sgd" && recipe.model.layers?.count == 2)
    #expect(
      try self.recipe(("optimizer.betas", "[0.5, 0.5]")).optimizer.arguments.numbers("betas")
        == [0.5, 0.5])
  }

  @Test(arguments: ["null", "~", ""])
  func nullIsAsIfNotGiven(null: String) throws {
    let recipe = try recipe(("shards", "3"), ("shards", null), ("data.path", null), ("seed", null))
    #expect(recipe.shards == nil && recipe.data.path == nil && recipe.seed == 0)
  }

  @Test func listsInListsAreReachedByTheirIndices() throws {
    let recipe = try recipe(
      ("model.layers.1.layers.0.bias", "false"), of: "mnist-mlp")
    let layers = try #require(recipe.model.layers)[1].arguments.variants("layers")
    #expect(!layers[0].arguments.flag("bias") && layers[2].arguments.flag("bias"))
  }

  /// Keys that the text has not, inside of what it says by a name, by null or not at all.
  @Test func whatHasADefaultCanBeReachedInto() throws {
    let recipe = try recipe(
      ("loss.label_smoothing", "0.1"), ("schedule.warm_up", "50"), ("data.sample.train", "100"),
      ("data.split.validation", "0.1"), ("data.augment.shift", "2"),
      ("evaluation.early_stopping.patience", "3"), ("model.initial", "{1.bias: 0.5}"),
      ("optimizer.weight_decay", "0.01"), ("leftover_gradient", "true"))
    #expect(recipe.loss.kind == "cross-entropy")
    #expect(recipe.loss.arguments.number("label_smoothing") == 0.1)
    #expect(
      recipe.schedule.schedule() == .linearWarmUp(steps: 50, startFactor: 0.1, then: .cosine))
    #expect(recipe.data.draws?.train == 100 && recipe.data.draws?.test == nil)
    #expect(recipe.data.holdout.validation == 0.1 && recipe.data.augmentation.shift == 2)
    #expect(recipe.evaluation.earlyStopping?.patience == 3)
    #expect(recipe.evaluation.earlyStopping?.monitor == .loss)
    #expect(recipe.model.initial.map(\.name) == ["1.bias"])
    #expect(recipe.optimizer.arguments.number("weight_decay") == 0.01)
    #expect(recipe.addsLeftoverGradient)
    let rings = try self.recipe(
      ("data.count", "10"), ("model.binary_threshold", "0.5"), ("batch_size", "20"), of: "rings-3")
    #expect(rings.data.arguments.integer("count") == 10)
    #expect(rings.model.architecture?.arguments.number("binary_threshold") == 0.5)
    let all = try self.recipe(("data.sample", "null"), of: "mnist-conv")
    #expect(all.data.draws == nil)
  }

  /// The keys of the kind before do not stay.
  @Test func kindsCanBeChanged() throws {
    let recipe = try recipe(
      ("loss.kind", "nll"), ("schedule.kind", "step"), ("schedule.every", "5"),
      ("optimizer.kind", "rmsprop"), ("data.dataset", "mnist"))
    #expect(recipe.loss.kind == "nll" && recipe.optimizer.kind == "rmsprop")
    #expect(recipe.schedule.schedule() == .step(every: 5, factor: 0.1))
    #expect(recipe.data.dataset == "mnist")
  }

  @Test func wrongPathsAreNamed() {
    func refused(
      _ path: String, _ value: String, _ part: String, at: SourceLocation = #_sourceLocation
    ) {
      expectFailure(.usage, part, at: at) { _ = try recipe((path, value)) }
    }
    refused("epoch", "5", "recipe fashion-mnist: epoch: unknown key; did you mean epochs?")
    refused(
      "optimizer.momentum", "5", "optimizer.momentum: unknown key; choose from kind, lr, betas, eps"
    )
    refused("optimiser.lr", "5", "optimiser: unknown key; did you mean optimizer?")
    refused(
      "model.layers.9.bias", "true", "--set model.layers.9.bias: 9 is not an index of a list of 6")
    refused("model.layers.-1.bias", "true", "-1 is not an index of a list of 6")
    refused("model.layers.x", "1", "--set model.layers.x: x is not an index of a list of 6")
    refused("epochs.x", "1", "--set epochs.x: there is nothing below the value before x")
    refused("", "1", "unknown key")
    refused("optimizer.", "1", "unknown key")
    refused("optimizer.lr", "[1", "--set optimizer.lr: [1 is not a YAML value")
    refused("epochs", "five", "recipe fashion-mnist: epochs: 'five' is not a whole number")
    refused(
      "model.layers.1.out_features", "16", "model.layers.3: Linear with in_features 512 gets [16]")
  }

  /// What was set has no line in the file.
  @Test func noLineIsNamedForWhatWasSet() throws {
    for (path, value, message) in [
      ("batch_size", "0", "my.yaml: batch_size: 0 is not allowed"),
      ("optimizer", "{kind: sgd, lr: -1}", "my.yaml: optimizer.lr: -1.0 is not allowed"),
      ("optimizer.betas.1", "5", "my.yaml: optimizer.betas: [0.9, 5.0] is not allowed"),
    ] {
      var text = try RecipeText(BuiltInRecipe.named("fashion-mnist")!.yaml, source: "my.yaml")
      try text.set(path, to: value)
      expectFailure(.usage, message) { _ = try text.recipe() }
    }
  }
}

/// What may change when a run is resumed.
@Suite struct FixedDifferenceTests {
  private func difference(_ path: String, _ value: String) throws -> String? {
    var text = try BuiltInRecipe.named("fashion-mnist")!.text
    let before = try text.recipe()
    try text.set(path, to: value)
    return before.firstFixedDifference(from: try text.recipe())
  }

  @Test(arguments: [
    ("epochs", "9"), ("shards", "3"), ("optimizer.lr", "0.1"), ("schedule", "constant"),
    ("data.path", "/elsewhere"), ("expect", "other words"), ("epochs", "5"),
    ("schedule", "{kind: step, every: 5}"), ("evaluation.metric", "none"), ("clip_norm", "0.5"),
  ])
  func theseMayChange(path: String, value: String) throws {
    #expect(try difference(path, value) == nil)
  }

  @Test(arguments: [
    ("name", "other", "recipe"), ("data.dataset", "mnist", "data.dataset"),
    ("data.scale", "raw", "data.scale"), ("model.layers.1.bias", "false", "model"),
    ("model.class", "Net", "model"), ("optimizer.kind", "sgd", "optimizer.kind"),
    ("optimizer.betas", "[0.5, 0.5]", "optimizer.betas"), ("loss.label_smoothing", "0.1", "loss"),
    ("data.augment.noise", "0.1", "data.augment"), ("data.target", "one-hot", "data.target"),
    ("leftover_gradient", "true", "leftover_gradient"),
    ("batch_size", "32", "batch_size (64, not 32)"), ("shuffle", "false", "shuffle"),
    ("micro_batch", "8", "micro_batch (null, not 8)"), ("seed", "1", "seed (0, not 1)"),
    ("compress", "bf16", "compress"), ("precision", "bf16", "precision (float32, not bf16)"),
  ])
  func theseMayNot(path: String, value: String, key: String) throws {
    #expect(try difference(path, value)?.hasPrefix(key) == true)
  }
}
