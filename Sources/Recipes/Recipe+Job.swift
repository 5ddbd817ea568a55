import Datasets
import Foundation
import Layers
import Optimizers
import Tensors
import Training

extension Recipe {
  /// The training job that the recipe describes. No file is read yet.
  /// - Precondition: `shards` is known.
  package func job() -> TrainingJob {
    let recipe = self
    guard let shards else { fatalError("a recipe becomes a job when its shards are known") }
    var job = TrainingJob(
      name, data: trainingData, model: { recipe.module() }, loss: loss.loss(),
      optimizer: recipe.optimizer.factory(), batchSize: batchSize, epochs: epochs, seed: seed,
      shards: shards, shuffle: shuffle, schedule: schedule.schedule())
    (job.recipeText, job.recipeIdentity) = (yaml, identity)
    job.accuracyRule = { recipe.accuracyRule(for: $0) }
    job.initialize = { module in
      module.initialize(seed: recipe.seed)
      recipe.model.setInitialValues(of: module)
    }
    job.microBatchSize = microBatch
    job.clipNorm = clipNorm
    job.compressesGradients = compressesGradients
    job.hasLeftoverGradient = addsLeftoverGradient
    job.evaluationInterval = evaluation.every
    job.earlyStopping = evaluation.earlyStopping
    return job
  }

  /// The network; its parameters have no values yet.
  private func module() -> any Module {
    let module = model.module()
    module.setPrecision(precision)
    return module
  }

  /// The samples. Their files are opened when they are needed, and are then checked against the
  /// network.
  var trainingData: TrainingData {
    let recipe = self
    let isImage = data.arguments.has("scale")
    return TrainingData(
      name: data.dataset, hasTestSource: data.hasTestSource, draws: data.draws,
      holdout: data.holdout,
      format: SampleFormat(
        scale: isImage && data.arguments.text("scale") == "unit" ? .unit : .raw,
        target: data.targetForm,
        augmentation: data.augmentation, corruption: data.corrupt, seed: seed),
      standardization: data.standardize, standardizesTarget: data.standardizesTarget,
      targetsAreLaterInputs: data.dataset == "trend"
    ) { split in
      let source = try recipe.data.source(split)
      // Shapes are checked where a sample is one input and one target.
      guard source.inputFeatures.count == 1, source.targetFeatures.count == 1 else { return source }
      var classCount: Int?
      if case .classIndex(let count) = source.targetType { classCount = count }
      try recipe.check(
        inputShape: source.inputShape, targetShape: source.targetShape, classCount: classCount,
        classNames: source.classNames)
      return source
    }
  }

  /// When an output counts as right, as the recipe, its loss and the data's targets say.
  func accuracyRule(for target: TargetType) -> AccuracyRule {
    if evaluation.metric == EvaluationSpec.Metric.none { return .none }
    return .rule(
      loss.loss(), target: target, form: data.targetForm, threshold: evaluation.threshold,
      isBinary: evaluation.metric == .accuracy)
  }
}

extension Recipe {
  /// The recipe's YAML without the paths of the data, which may differ between hosts and do not
  /// affect the result.
  package var identity: String {
    var recipe = self
    recipe.data.forgetPaths()
    return recipe.yaml
  }

  /// The values that `identity` writes, by dotted path, such as ("optimizer.lr", "0.1").
  package var identityValues: [(key: String, value: String)] {
    var recipe = self
    recipe.data.forgetPaths()
    return Value.fields(recipe.fields).scalars
  }

  /// Makes the paths of the data absolute, so that the recipe can be used in any folder.
  /// - Parameter folder: the folder that relative paths start from.
  package mutating func completePaths(from folder: String) { data.completePaths(from: folder) }

  /// The first key that differs and that a run cannot change when it is resumed.
  ///
  /// The number of epochs, the shards, the learning rate, its schedule, the norm that gradients are
  /// clipped to and the evaluation can change: the new recipe holds from there on.
  package func firstFixedDifference(from other: Recipe) -> String? {
    func shown(_ key: String, _ own: some Any, _ other: some Any) -> String {
      "\(key) (\(own), not \(other))"
    }
    if name != other.name { return shown("recipe", name, other.name) }
    if let key = data.variant.firstDifference(from: other.data.variant, besides: DataSpec.pathKeys)
    {
      return "data.\(key)"
    }
    if model != other.model { return "model" }
    if loss != other.loss { return "loss" }
    if let key = optimizer.variant.firstDifference(from: other.optimizer.variant, besides: ["lr"]) {
      return "optimizer.\(key)"
    }
    if batchSize != other.batchSize { return shown("batch_size", batchSize, other.batchSize) }
    if compressesGradients != other.compressesGradients { return "compress" }
    if precision != other.precision { return shown("precision", precision, other.precision) }
    if microBatch != other.microBatch {
      func text(_ size: Int?) -> String { size.map(String.init) ?? "null" }
      return shown("micro_batch", text(microBatch), text(other.microBatch))
    }
    if shuffle != other.shuffle { return "shuffle" }
    if seed != other.seed { return shown("seed", seed, other.seed) }
    return addsLeftoverGradient == other.addsLeftoverGradient ? nil : "leftover_gradient"
  }
}

extension Variant {
  /// The first key whose values differ; the tag where the kinds differ.
  fileprivate func firstDifference(from other: Variant, besides keys: [String]) -> String? {
    if kind != other.kind { return tag }
    return zip(arguments.entries, other.arguments.entries)
      .first { $0 != $1 && !keys.contains($0.key) }?.0.key
  }
}
