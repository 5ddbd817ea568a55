import Recipes
import System
import Tensors
import TestSupport
import Testing

/// A good recipe; the tests below change a line of it.
private let good = """
  name: mine
  data: {dataset: mnist}
  model:
    layers:
      - layer: Flatten
      - layer: Linear
        in_features: 784
        out_features: 32
      - layer: ReLU
      - layer: Sequential
        layers:
          - {layer: Linear, in_features: 32, out_features: 10}
  loss: cross-entropy
  optimizer:
    kind: adam
    lr: 0.001
  batch_size: 64
  epochs: 5
  """

private func recipe(_ yaml: String) throws -> Recipe {
  try RecipeText(yaml, source: "my.yaml").recipe()
}

/// The recipe with `line` (its text) changed to `other`.
private func changed(_ line: String, _ other: String) -> String {
  precondition(good.contains(line))
  return good.split(separator: "\n").map { $0 == line ? other : String($0) }.joined(separator: "\n")
}

@Suite struct RecipeReadingTests {
  @Test func whatIsLeftOutHasItsDefault() throws {
    let recipe = try recipe(good)
    #expect(
      recipe.expect == "" && recipe.data.path == nil
        && recipe.data.arguments.text("scale") == "unit")
    #expect(
      recipe.model.module().typeName == "Sequential" && recipe.schedule.schedule() == .constant)
    #expect(recipe.shuffle && recipe.seed == 0 && recipe.shards == nil)
    #expect(recipe.optimizer.arguments.numbers("betas") == [0.9, 0.999])
    #expect(recipe.optimizer.arguments.number("eps") == 1e-8)
    let layers = try #require(recipe.model.layers)
    #expect(layers[0].kind == "Flatten" && layers[0].arguments.integer("end_dim") == -1)
    #expect(layers[1].arguments.integer("in_features") == 784 && layers[1].arguments.flag("bias"))
    #expect(layers[1].arguments.optionalText("name") == nil)
    #expect(
      recipe.data.target == nil && recipe.data.draws == nil && recipe.data.augmentation.isNone)
    #expect(recipe.data.holdout.folds == nil && recipe.data.standardize == .none)
    #expect(recipe.evaluation.metric == nil && recipe.evaluation.earlyStopping == nil)
    #expect(!recipe.addsLeftoverGradient && recipe.model.initial.isEmpty)
  }

  @Test(arguments: [
    "0.1", "1e-5", "1e-08", "1.0E-8", "0.30000000000000004", "3", "0", "1e300", "0.001", ".5",
    "1e5",
    "123456789.123456789", "2.2250738585072014e-308",
  ])
  func numbersReadBackAsTheyAreWritten(number: String) throws {
    for (line, other) in [
      ("  lr: 0.001", "  lr: \(number)"), ("  lr: 0.001", "  lr: 1\n  eps: \(number)"),
    ] {
      let first = try recipe(changed(line, other))
      let again = try recipe(first.yaml)
      #expect(again == first)
      #expect(again.yaml == first.yaml)
    }
  }

  @Test func numbersAreWrittenWithTheFewestDigits() throws {
    let yaml = try recipe(changed("  lr: 0.001", "  lr: 0.1\n  betas: [0.8, 0.99]")).yaml
    #expect(yaml.contains("\n  lr: 0.1\n  betas:\n  - 0.8\n  - 0.99\n  eps: 1e-08\n"))
  }

  @Test func extremesReadBackEqual() throws {
    let first = try recipe(good + "\nseed: 18446744073709551615\nshards: 65536\nshuffle: false")
    #expect(first.seed == UInt64.max && first.shards == 65536 && !first.shuffle)
    #expect(try recipe(first.yaml) == first)
  }

  /// Texts that YAML would take for something else, were they not quoted when written.
  @Test(arguments: [
    "null", "true", "12", "1e5", "~", "", "a: b", "# no comment", "it's", "\"quoted\"", " spaces ",
    "- list", "*x", "&y", "ä€𝄞", "{a", "%d", "no", "tab\tin it", "two\nlines", "0x10", "2026-11-22",
    "\\", "@", "`", "|", ">", "!tag", ":", "=",
  ])
  func textsReadBackAsTheyAre(text: String) throws {
    var yaml = try RecipeText(good, source: "my.yaml")
    try yaml.set("data.path", toText: text)
    try yaml.set("expect", toText: text)
    let first = try yaml.recipe()
    #expect(first.data.path == text && first.expect == text)
    let again = try recipe(first.yaml)
    #expect(again == first)
    #expect(again.yaml == first.yaml)
  }

  @Test func anchorsAndCommentsAreYAML() throws {
    let yaml = changed("  lr: 0.001", "  lr: &rate 0.5  # half\n  eps: *rate")
    #expect(try recipe(yaml).optimizer.arguments.number("eps") == 0.5)
  }
}

/// A changed line and what must be said of it, after `my.yaml`.
struct WrongLine: Sendable, CustomTestStringConvertible {
  let line: String
  let other: String
  let message: String

  init(_ line: String, _ other: String, _ message: String) {
    (self.line, self.other, self.message) = (line, other, message)
  }
  var testDescription: String { other }
}

@Suite struct RecipeMistakeTests {
  static let mistakes = [
    // Unknown keys, at each level.
    WrongLine("epochs: 5", "epochs: 5\nepoch: 6", ":19: epoch: unknown key; did you mean epochs?"),
    WrongLine(
      "epochs: 5", "epochs: 5\nmomentum: 1", ":19: momentum: unknown key; choose from name, "),
    WrongLine("epochs: 5", "epochs: 5\nschedul: cosine", "did you mean schedule?"),
    WrongLine(
      "data: {dataset: mnist}", "data: {dataset: mnist, pth: x}",
      ":2: data.pth: unknown key; did you mean path?"),
    WrongLine("model:", "model:\n  clas: x", ":4: model.clas: unknown key; did you mean class?"),
    WrongLine(
      "      out_features: 32", "      out_features: 32\n      bais: false",
      ":9: model.layers.1.bais: unknown key; did you mean bias?"),
    WrongLine(
      "    - layer: ReLU", "    - layer: ReLU\n      in_features: 3",
      ":10: model.layers.2.in_features: unknown key"),
    WrongLine(
      "        - {layer: Linear, in_features: 32, out_features: 10}",
      "        - {layer: Linear, in_features: 32, out_features: 10, biass: true}",
      ":12: model.layers.3.layers.0.biass: unknown key; did you mean bias?"),
    WrongLine(
      "  lr: 0.001", "  lr: 0.001\n  beta: [0, 0]",
      ":17: optimizer.beta: unknown key; did you mean betas?"),
    WrongLine("  kind: adam", "  kind: sgd\n  eps: 0.1", "optimizer.eps: unknown key"),
    WrongLine("epochs: 5", "epochs: 5\n7: x", ":19: 7: unknown key"),
    // Wrong types.
    WrongLine("epochs: 5", "epochs: five", ":18: epochs: 'five' is not a whole number"),
    WrongLine("epochs: 5", "epochs: 5.5", ":18: epochs: '5.5' is not a whole number"),
    WrongLine("epochs: 5", "epochs: [5]", ":18: epochs: a list is not a whole number"),
    WrongLine("epochs: 5", "epochs:", ":18: epochs: nothing is not a whole number"),
    WrongLine("epochs: 5", "epochs: 99999999999999999999", "epochs: '99999999999999999999' is not"),
    WrongLine("  lr: 0.001", "  lr: fast", ":16: optimizer.lr: 'fast' is not a number"),
    WrongLine("epochs: 5", "epochs: 5\nshuffle: 3", ":19: shuffle: '3' is not true or false"),
    WrongLine(
      "epochs: 5", "epochs: 5\nseed: -1", ":19: seed: '-1' is not a whole number from 0 on"),
    WrongLine("data: {dataset: mnist}", "data: mnist", ":2: data: 'mnist' is not a mapping"),
    WrongLine("optimizer:", "optimizer: x\nz:", "optimizer"),
    WrongLine("    - layer: ReLU", "    - ReLU", ":9: model.layers.2: 'ReLU' is not a mapping"),
    WrongLine(
      "  lr: 0.001", "  lr: 0.1\n  betas: 0.9", ":17: optimizer.betas: '0.9' is not a list"),
    WrongLine(
      "  lr: 0.001", "  lr: 0.1\n  betas: [0.9, x]", "optimizer.betas.1: 'x' is not a number"),
    // Missing keys.
    WrongLine("epochs: 5", "", ":1: epochs: this key is missing"),
    WrongLine("epochs: 5", "epoch: 5", "epochs: this key is missing; epoch was found"),
    WrongLine("name: mine", "", "name: this key is missing"),
    WrongLine("      in_features: 784", "", "model.layers.1.in_features: this key is missing"),
    WrongLine("  lr: 0.001", "", "optimizer.lr: this key is missing"),
    WrongLine("  kind: adam", "", "optimizer.kind: this key is missing"),
    WrongLine("loss: cross-entropy", "", "loss: this key is missing"),
    // Twice.
    WrongLine("epochs: 5", "epochs: 5\nepochs: 6", "epochs stands there twice"),
    WrongLine("  lr: 0.001", "  lr: 0.1\n  lr: 0.2", "lr stands there twice"),
    // Names that are none.
    WrongLine(
      "  kind: adam", "  kind: adams",
      ":15: optimizer.kind: adams is not one of sgd, adam, adamw, rmsprop, adagrad; did you mean adam?"
    ),
    WrongLine("  kind: adam", "  kind: lion", ":15: optimizer.kind: lion is not one of sgd, adam"),
    WrongLine(
      "    - layer: ReLU", "    - layer: Relu",
      ":9: model.layers.2.layer: Relu is not one of Sequential, Flatten, "
    ),
    WrongLine("    - layer: ReLU", "    - layer: Relu", "; did you mean ReLU?"),
    WrongLine(
      "    - layer: ReLU", "    - layer: Embedding",
      ":9: model.layers.2.layer: Embedding is not one of"),
    WrongLine(
      "loss: cross-entropy", "loss: crossentropy",
      ":13: loss: crossentropy is not one of cross-entropy, nll, mse, l1, smooth-l1, huber, bce, bce-with-logits, kl-div; did you mean cross-entropy?"
    ),
    WrongLine(
      "epochs: 5", "epochs: 5\nschedule: cosin",
      ":19: schedule: cosin is not one of constant, cosine, step, multi-step, exponential, one-cycle; did you mean cosine?"
    ),
    WrongLine(
      "data: {dataset: mnist}", "data: {dataset: mnits}",
      "data.dataset: mnits is not one of mnist, fashion-mnist, idx, csv, npy, images, "),
    WrongLine(
      "data: {dataset: mnist}", "data: {dataset: mnist, scale: Unit}",
      "data.scale: Unit is not one of unit, raw; did you mean unit?"),
    // Out of range.
    WrongLine(
      "batch_size: 64", "batch_size: 0", ":17: batch_size: 0 is not allowed; it must be 1 or more"),
    WrongLine("batch_size: 64", "batch_size: -64", "batch_size: -64 is not allowed"),
    WrongLine("epochs: 5", "epochs: -1", ":18: epochs: -1 is not allowed; it must be 0 or more"),
    WrongLine(
      "  lr: 0.001", "  lr: -0.1", ":16: optimizer.lr: -0.1 is not allowed; it must be 0 or more"),
    WrongLine("  lr: 0.001", "  lr: .inf", ":16: optimizer.lr: inf is not allowed"),
    WrongLine("  lr: 0.001", "  lr: .nan", ":16: optimizer.lr: nan is not allowed"),
    WrongLine(
      "  lr: 0.001", "  lr: 0.1\n  betas: [0.9, 1]",
      ":17: optimizer.betas: [0.9, 1.0] is not allowed; it must be two numbers from 0 to below 1"),
    WrongLine("  lr: 0.001", "  lr: 0.1\n  betas: [0.9]", "optimizer.betas: [0.9] is not allowed"),
    WrongLine("  lr: 0.001", "  lr: 0.1\n  eps: -1", "optimizer.eps: -1.0 is not allowed"),
    WrongLine(
      "epochs: 5", "epochs: 5\nshards: 0",
      ":19: shards: 0 is not allowed; it must be 1 to 65536, or null"),
    WrongLine("epochs: 5", "epochs: 5\nshards: 65537", "shards: 65537 is not allowed"),
    WrongLine(
      "name: mine", "name: ../mine", ":1: name: ../mine is not allowed; it must be letters"),
    WrongLine("name: mine", "name: ''", "name:  is not allowed"),
    WrongLine(
      "      out_features: 32", "      out_features: 0",
      ":8: model.layers.1.out_features: 0 is not allowed; it must be 1 or more"),
    WrongLine(
      "    - layer: Flatten", "    - {layer: Flatten, name: a.b}",
      ":5: model.layers.0.name: a.b is not allowed; it must be a name without dots"),
    // Layers that do not fit.
    WrongLine(
      "      in_features: 784", "      in_features: 783",
      ": model.layers.1: Linear with in_features 783 gets [784] a sample; set in_features to 784"),
    WrongLine(
      "    - layer: Flatten", "    - layer: ReLU",
      ": model.layers.1: Linear with in_features 784 gets [1, 28, 28] a sample; put a Flatten before it"
    ),
    WrongLine(
      "        - {layer: Linear, in_features: 32, out_features: 10}",
      "        - {layer: Linear, in_features: 33, out_features: 10}",
      ":12: model.layers.3.layers.0: Linear with in_features 33 gets [32] a sample; set in_features to 32"
    ),
    WrongLine(
      "        - {layer: Linear, in_features: 32, out_features: 10}",
      "        - {layer: Linear, in_features: 32, out_features: 9}",
      ": model.layers: the network turns a sample into [9], cross-entropy on mnist needs [10]"),
    WrongLine(
      "    - layer: Flatten",
      "    - {layer: Conv2d, in_channels: 3, out_channels: 2, kernel_size: 3}",
      ":5: model.layers.0: Conv2d with in_channels 3 gets [1, 28, 28] a sample; set in_channels to 1"
    ),
    WrongLine(
      "    - layer: Flatten",
      "    - {layer: Conv2d, in_channels: 1, out_channels: 2, kernel_size: 29}",
      ":5: model.layers.0: Conv2d with kernel_size 29 does not fit into [1, 28, 28] a sample"),
    WrongLine(
      "    - layer: Flatten",
      "    - {layer: Conv2d, in_channels: 1, out_channels: 2, kernel_size: 3, padding: -1}",
      "model.layers.0.padding: -1 is not allowed; it must be 0 or more"),
    WrongLine(
      "    - layer: Flatten", "    - {layer: MaxPool2d, kernel_size: 0}",
      "model.layers.0.kernel_size: 0 is not allowed; it must be 1 or more"),
    WrongLine(
      "    - layer: ReLU", "    - {layer: MaxPool2d, kernel_size: 2}",
      "model.layers.2: MaxPool2d gets [32] a sample; it takes [channels, height, width]"),
    WrongLine(
      "    - layer: Flatten", "    - {layer: Flatten, start_dim: 3, end_dim: 1}",
      ":5: model.layers.0: Flatten cannot join axes 3 through 1 of 4, batch included"),
    WrongLine(
      "    - layer: Flatten", "    - {layer: Flatten, start_dim: 0}",
      "model.layers.0: Flatten cannot join axes 0 through -1 of 4"),
    WrongLine(
      "    - layer: Flatten", "    - {layer: Flatten, end_dim: 4}",
      "model.layers.0: Flatten cannot join axes 1 through 4 of 4"),
    // One name for two layers.
    WrongLine(
      "    - layer: ReLU", "    - {layer: ReLU, name: '1'}",
      ": model.layers: layer 2 is named 1 like another before it"),
    // No YAML.
    WrongLine("epochs: 5", "\tepochs: 5", ":18: "),
    WrongLine("epochs: 5", "epochs: [5", ":1"),
    WrongLine("epochs: 5", "epochs: *none", ":18: "),
    WrongLine("epochs: 5", "epochs: 5\n}", ":19: "),
  ]

  @Test(arguments: mistakes)
  func placeAndRemedyAreNamed(mistake: WrongLine) {
    expectFailure(.usage, "my.yaml", mistake.message) {
      _ = try recipe(changed(mistake.line, mistake.other))
    }
  }

  @Test(arguments: ["", "# nothing", "- a list", "text", "7", "null"])
  func whatIsNoMappingIsRefused(yaml: String) {
    expectFailure(.usage, "my.yaml: a recipe is a mapping of keys to values") {
      _ = try recipe(yaml)
    }
  }

  /// Bytes from anywhere: an error or a recipe, never a trap.
  @Test(arguments: [
    good, BuiltInRecipe.named("rings-3")!.yaml, BuiltInRecipe.named("line-sgd")!.yaml,
    BuiltInRecipe.named("mnist-conv-autoencoder")!.yaml,
    BuiltInRecipe.named("digits-rnn-autoencoder")!.yaml,
  ])
  func damagedTextNeverTraps(text: String) throws {
    let whole = Array(text.utf8)
    let random = CountedRandom(seed: 3, purpose: "damage")
    for n in 0..<1000 {
      let block = random.block(UInt64(n))
      var bytes = whole
      bytes[Int(block[0]) % whole.count] = UInt8(block[1] % 128)
      if block[2] % 3 == 0 { bytes.removeSubrange(Int(block[3]) % whole.count..<whole.count) }
      do {
        _ = try recipe(String(decoding: bytes, as: UTF8.self))
      } catch let failure as Failure {
        #expect(failure.status == .usage)
      }
    }
  }
}
