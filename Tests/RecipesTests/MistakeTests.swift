import Recipes
import System
import TestSupport
import Testing

/// A change of a good recipe, and what must be said of it after `my.yaml`.
struct Mistake: Sendable, CustomTestStringConvertible {
  let old: String
  let new: String
  let message: String

  init(_ old: String, _ new: String, _ message: String) {
    (self.old, self.new, self.message) = (old, new, message)
  }
  var testDescription: String { new }
}

/// Malformed recipes: one error each, with file, line, key and the nearest right spelling, and status
/// 64. Those of layers, optimizer and general keys are in RecipeMistakeTests.
@Suite struct MistakeTests {
  static let rings = """
    name: mine
    data:
      dataset: rings
      count: 50
    model:
      architecture: ClassifierNet
      inputs: 2
      outputs: 1
      nodes: 3
      output_activation: Sigmoid
    loss: bce
    optimizer: {kind: adam, lr: 0.01}
    schedule: {kind: step, every: 10}
    batch_size: 100
    epochs: 5
    """

  static let ofRings = [
    // Data.
    Mistake("dataset: rings", "dataset: ring", ":3: data.dataset: ring is not one of"),
    Mistake("dataset: rings", "dataset: ring", "did you mean rings?"),
    Mistake("dataset: rings", "datset: rings", ":3: data.dataset: this key is missing; datset was"),
    Mistake("  count: 50", "  cuont: 50", ":4: data.cuont: unknown key; did you mean count?"),
    Mistake("  count: 50", "  count: 0", ":4: data.count: 0 is not allowed; it must be 1 or more"),
    Mistake("  count: 50", "  count: 5000000000", "it must be 1 to 2147483647"),
    Mistake("  count: 50", "  path: /data", ":4: data.path: unknown key"),
    Mistake(
      "  count: 50", "  target: onehot",
      ":4: data.target: onehot is not one of class, one-hot, input; did you mean one-hot?"),
    Mistake(
      "  count: 50", "  target: class",
      ":4: data.target: the targets of rings are numbers [1], not classes; leave target away"),
    Mistake("  count: 50", "  target: input", "needs [2], a target's shape"),
    Mistake(
      "  count: 50", "  standardize: features",
      ":4: data.standardize: features is not one of none, feature, all, center; did you mean feature?"
    ),
    Mistake(
      "  count: 50", "  split: {validaton: 0.1}",
      ":4: data.split.validaton: unknown key; did you mean validation?"),
    Mistake(
      "  count: 50", "  split: {validation: 1}",
      ":4: data.split.validation: 1.0 is not allowed; it must be from 0 to below 1"),
    Mistake(
      "  count: 50", "  split: {test: 0.5, validation: 0.5}",
      ":4: data.split.validation: test 0.5 and validation 0.5 leave nothing to train on"),
    Mistake(
      "  count: 50", "  split: {folds: 1}",
      ":4: data.split.folds: 1 is not allowed; it must be 2 or more, or null"),
    Mistake(
      "  count: 50", "  split: {folds: 5, fold: 6}",
      ":4: data.split.fold: 6 is not allowed; it must be 1 to 5, the folds"),
    Mistake(
      "  count: 50", "  split: {folds: 5, validation: 0.1}",
      ":4: data.split.validation: a fold is the validation split already"),
    Mistake("  count: 50", "  sample: 100", ":4: data.sample: '100' is not a mapping"),
    Mistake(
      "  count: 50", "  sample: {trian: 100}",
      ":4: data.sample.trian: unknown key; did you mean train?"),
    Mistake(
      "  count: 50", "  augment: {flip: true}",
      ":4: data.augment: images are shifted, rotated and flipped, and a sample is [2]"),
    Mistake("  count: 50", "  augment: {rotate: 200}", "it must be from 0 to 180"),
    Mistake("  count: 50", "  corrupt: .inf", ":4: data.corrupt: inf is not allowed"),
    // Architectures.
    Mistake(
      "architecture: ClassifierNet", "architecture: Classifier",
      ":6: model.architecture: Classifier is not one of ClassifierNet, AE, "),
    Mistake(
      "architecture: ClassifierNet", "architectur: ClassifierNet",
      ":6: model.architecture: this key is missing; architectur was found"),
    Mistake("  nodes: 3", "  node: 3", ":9: model.nodes: this key is missing; node was found"),
    Mistake(
      "  inputs: 2", "  inputs: 3",
      ":7: model.inputs: ClassifierNet gets [2] a sample; it takes [3]"),
    Mistake(
      "  outputs: 1", "  outputs: 2",
      ": model: the network turns a sample into [2], bce on rings needs [1], a target's shape"),
    Mistake(
      "output_activation: Sigmoid", "output_activation: sigmoid",
      ":10: model.output_activation: sigmoid is not one of Sigmoid, Tanh, ReLU; did you mean Sigmoid?"
    ),
    Mistake(
      "output_activation: Sigmoid", "layers: []", ":10: model.layers: unknown key"),
    Mistake(
      "output_activation: Sigmoid", "initial: {output_layer.bais: 0}",
      ":10: model.initial.output_layer.bais: the network has no such parameter; did you mean output_layer.bias?"
    ),
    Mistake(
      "output_activation: Sigmoid", "initial: {layer_list.0.bias: [1, 2]}",
      ":10: model.initial.layer_list.0.bias: 2 numbers do not fill [3]; give 3, or one for all"),
    Mistake(
      "output_activation: Sigmoid", "initial: {output_layer.bias: much}",
      ":10: model.initial.output_layer.bias: 'much' is not a number"),
    Mistake("output_activation: Sigmoid", "initial: 5", ":10: model.initial: '5' is not a mapping"),
    // Loss, optimizer, schedule, evaluation.
    Mistake(
      "loss: bce", "loss: {kind: huber, dleta: 2}",
      ":11: loss.dleta: unknown key; did you mean delta?"),
    Mistake("loss: bce", "loss: {delta: 2}", ":11: loss.kind: this key is missing"),
    Mistake("loss: bce", "loss: [bce]", ":11: loss: a list is not a name or a mapping"),
    Mistake(
      "loss: bce", "loss: {kind: huber, delta: 0}",
      ":11: loss.delta: 0.0 is not allowed; it must be above 0"),
    Mistake(
      "loss: bce", "loss: nll", ":11: loss: nll takes classes, and targets are numbers [1]"),
    Mistake(
      "{kind: adam, lr: 0.01}", "{kind: sgd, lr: 1, nesterov: true}",
      ":12: optimizer.nesterov: it needs a momentum above 0 and a dampening of 0"),
    Mistake(
      "{kind: adam, lr: 0.01}", "{kind: adam, lr: 1, weight-decay: 0}",
      ":12: optimizer.weight-decay: unknown key; did you mean weight_decay?"),
    Mistake(
      "{kind: step, every: 10}", "step",
      ":13: schedule: step needs more than its name; write {kind: step, every: ...}"),
    Mistake(
      "{kind: step, every: 10}", "{kind: multi-step, milestones: []}",
      ":13: schedule.milestones: an empty list is not allowed; it must have one item at least"),
    Mistake(
      "{kind: step, every: 10}", "{kind: multi-step, milestones: [5, 0]}",
      ":13: schedule.milestones.1: 0 is not allowed; it must be 1 or more"),
    Mistake(
      "{kind: step, every: 10}", "{kind: cosine, warmup: 5}",
      ":13: schedule.warmup: unknown key; did you mean warm_up?"),
    Mistake(
      "epochs: 5", "epochs: 5\nevaluation: {metric: acuracy}",
      ":16: evaluation.metric: acuracy is not one of accuracy, none; did you mean accuracy?"),
    Mistake(
      "epochs: 5", "epochs: 5\nevaluation:\n  early_stopping: {patience: 3}",
      ":17: evaluation.early_stopping: it watches the validation split, and there is none; set data.split.validation"
    ),
    Mistake(
      "epochs: 5", "epochs: 5\nleftover: true",
      ":16: leftover: unknown key"),
  ]

  @Test(arguments: ofRings)
  func placeAndRemedyAreNamed(mistake: Mistake) {
    #expect(MistakeTests.rings.contains(mistake.old))
    expectFailure(.usage, "my.yaml", mistake.message) {
      let yaml = MistakeTests.rings.split(separator: "\n").map { line in
        line.contains(mistake.old) ? replaced(String(line), mistake) : String(line)
      }.joined(separator: "\n")
      _ = try RecipeText(yaml, source: "my.yaml").recipe()
    }
  }

  private func replaced(_ line: String, _ mistake: Mistake) -> String {
    let range = line.firstRange(of: mistake.old)!
    return line[..<range.lowerBound] + mistake.new + line[range.upperBound...]
  }

  @Test func goodOneIsGood() throws {
    let recipe = try RecipeText(MistakeTests.rings, source: "my.yaml").recipe()
    #expect(recipe.schedule.schedule() == .step(every: 10, factor: 0.1))
  }

  /// A layer, and what must be said of it, by its shape on images [1, 28, 28] or by itself.
  static let ofLayers = [
    Mistake(
      "Conv2d, in_channels: 1, out_channels: 4, kernel_size: [3]", "",
      "model.layers.0.kernel_size: a list of 1 is not a whole number or [height, width]"),
    Mistake(
      "Conv2d, in_channels: 1, out_channels: 4, kernel_size: [3, 0]", "",
      "model.layers.0.kernel_size.1: 0 is not allowed; it must be 1 or more"),
    Mistake(
      "Conv2d, in_channels: 1, out_channels: 4, kernel_size: 3, groups: 3", "",
      "model.layers.0.groups: 3 groups cannot share out in_channels 1 evenly"),
    Mistake(
      "Conv2d, in_channels: 1, out_channels: 4, kernel_size: 15, dilation: 2", "",
      "model.layers.0: Conv2d with kernel_size 15 does not fit into [1, 28, 28] a sample"),
    Mistake(
      "ConvTranspose2d, in_channels: 1, out_channels: 4, kernel_size: 3, output_padding: 1", "",
      "model.layers.0.output_padding: it must be less than the stride or the dilation"),
    Mistake(
      "ConvTranspose2d, in_channels: 1, out_channels: 4, kernel_size: 1, padding: 14", "",
      "model.layers.0: ConvTranspose2d makes [0, 0] of [1, 28, 28] a sample; use less padding"),
    Mistake(
      "MaxPool2d, kernel_size: 2, padding: 2", "",
      "model.layers.0.padding: it must be at most half of kernel_size"),
    Mistake(
      "BatchNorm2d, num_features: 28", "",
      "model.layers.0: BatchNorm2d with num_features 28 gets [1, 28, 28] a sample; set num_features to 1"
    ),
    Mistake(
      "BatchNorm1d, num_features: 28", "",
      "model.layers.0: BatchNorm1d gets [1, 28, 28] a sample; it takes [features] or [features, length]"
    ),
    Mistake(
      "LayerNorm, normalized_shape: [1, 28]", "",
      "model.layers.0: LayerNorm with normalized_shape [1, 28] gets [1, 28, 28] a sample"),
    Mistake(
      "Dropout, p: 1.5", "", "model.layers.0.p: 1.5 is not allowed; it must be from 0 to 1"),
    Mistake(
      "Dropout, probability: 0.5", "",
      "model.layers.0.probability: unknown key; choose from layer, name, p"),
    Mistake("Softmax", "", "model.layers.0.dim: this key is missing"),
    Mistake("Softmax, dim: 4", "", "model.layers.0.dim: Softmax gets [1, 28, 28] a sample"),
    Mistake("Softmax, dim: 0", "", "it has no axis 0 but the batch's, 1 to 3"),
    Mistake("Divide, divisor: 0", "", "model.layers.0.divisor: division by 0"),
    Mistake(
      "View, shape: [28, 29]", "",
      "model.layers.0: View of shape [28, 29] gets [1, 28, 28] a sample; it must have 784 elements"),
    Mistake(
      "Unflatten, dim: 1, unflattened_size: [-1, -1]", "",
      "model.layers.0.unflattened_size: only one extent can be -1"),
    Mistake(
      "Unflatten, dim: 3, unflattened_size: [5, -1]", "",
      "model.layers.0: Unflatten to [5, -1] gets [1, 28, 28] a sample; the extents must multiply to 28"
    ),
    Mistake(
      "LSTM, input_size: 28, hidden_size: 4", "",
      "model.layers.0: LSTM with input_size 28 gets [1, 28, 28] a sample; it takes [time, features]"
    ),
    Mistake(
      "RNN, input_size: 28, hidden_size: 4, nonlinearity: Tanh", "",
      "model.layers.0.nonlinearity: Tanh is not one of tanh, relu; did you mean tanh?"),
    Mistake(
      "MultiheadAttention, embed_dim: 28, num_heads: 3", "",
      "model.layers.0.num_heads: 28 features cannot be shared between 3 heads"),
  ]

  @Test(arguments: ofLayers)
  func layersMistakesAreNamed(mistake: Mistake) {
    expectFailure(.usage, "my.yaml:6: model.layers.0", mistake.message) {
      _ = try RecipeText(
        """
        name: mine
        data:
          dataset: mnist
        model:
          layers:
            - {layer: \(mistake.old)}
            - layer: Flatten
            - {layer: Linear, in_features: 784, out_features: 10}
        loss: cross-entropy
        optimizer: {kind: adam, lr: 0.01}
        batch_size: 100
        epochs: 5
        """, source: "my.yaml"
      ).recipe()
    }
  }

  /// A generator's arguments that are each allowed, but not together; and a loss that is not the
  /// data's.
  @Test(arguments: [
    ("blobs, count: 5, center_box: [3, -3]", "data.center_box: 3.0 is above -3.0; exchange them"),
    ("blobs, count: 5, center_box: [3]", "data.center_box: [3.0] is not allowed; it must be two"),
    ("blobs", "data.count: this key is missing"),
    ("line, low: 5, high: 4", "data.high: 4 is below low, 5"),
    ("wave, low: 5, high: 4", "data.high: 4.0 is not above low, 5.0"),
    ("wave, step: 0", "data.step: 0.0 is not allowed; it must be above 0"),
    ("trend, length: 5, lag: 5", "data.lag: it leaves no pair of a series of 5"),
    ("trend, train_fraction: 0", "data.train_fraction: it leaves nothing of 999 pairs to train on"),
    ("trend, noise: points", "data.noise: points is not one of series, point; did you mean point?"),
    ("csv, path: x.csv", "data.target_column: this key is missing"),
    ("csv, path: x, target_column: 3, separator: ab", "data.separator: ab is not allowed"),
    ("csv, target_column: 3, path: null", "data.path: 'null' is not text"),
    (
      "images, path: x, scale: row", "data.scale: row is not one of unit, raw; did you mean raw?"
    ),
    ("idx, path: x, classes: 0", "data.classes: 0 is not allowed; it must be 1 or more"),
    ("mnist", "loss: mse compares numbers, and the targets of mnist are classes; set data.target"),
  ])
  func dataMistakesAreNamed(data: String, message: String) {
    expectFailure(.usage, "my.yaml:", message) {
      _ = try RecipeText(
        """
        name: mine
        data: {dataset: \(data)}
        model: {layers: [{layer: ReLU}]}
        loss: mse
        optimizer: {kind: sgd, lr: 0.01}
        batch_size: 100
        epochs: 5
        """, source: "my.yaml"
      ).recipe()
    }
  }

  /// Where only the files know the shapes, reading the recipe says nothing, and opening them does.
  @Test func shapesOfFilesAreCheckedWhenTheyAreOpen() throws {
    let recipe = try RecipeText(
      """
      name: mine
      data: {dataset: csv, path: x.csv, target_column: kind}
      model: {layers: [{layer: Linear, in_features: 4, out_features: 2}]}
      loss: cross-entropy
      optimizer: {kind: sgd, lr: 0.01}
      batch_size: 100
      epochs: 5
      """, source: "my.yaml"
    ).recipe()
    #expect(recipe.sampleShapes == nil)
    try recipe.check(inputShape: [4], targetShape: [], classCount: 2)
    expectFailure(
      .usage,
      "my.yaml:3: model.layers.0: Linear with in_features 4 gets [5] a sample; set in_features to 5"
    ) { try recipe.check(inputShape: [5], targetShape: [], classCount: 2) }
    expectFailure(.usage, "into [2], cross-entropy on csv needs [3], a score for each class") {
      try recipe.check(inputShape: [4], targetShape: [], classCount: 3)
    }
  }
}
