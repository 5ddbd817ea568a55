import Datasets
import Foundation
import Layers
import Optimizers
import Tensors
import Training

extension Recipe {
  /// The training job that the recipe describes. No file is read yet.
  /// - Precondition: `shards` is known.
  public func job() -> TrainingJob {
    let recipe = self
    guard let shards else { fatalError("a recipe becomes a job when its shards are known") }
    var job = TrainingJob(
      name: name, recipeText: yaml, recipeIdentity: identity, seed: seed, batchSize: batchSize,
      epochs: epochs, shardCount: shards, isShuffled: shuffle, learningRate: optimizer.lr,
      schedule: schedule.schedule(), data: dataSet, makeModel: { recipe.module() },
      loss: loss.loss(),
      makeOptimizer: { recipe.optimizer.optimizer(elementCount: $0) },
      metric: { recipe.metric(for: $0) })
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
  var dataSet: DataSet {
    let recipe = self
    let isImage = data.arguments.has("scale")
    let form: TargetForm =
      switch data.target {
      case .oneHot: .oneHot
      case .input: .input
      case .classIndex, nil: .own
      }
    return DataSet(
      name: data.dataset, hasTestSource: data.hasTestSource, draws: data.draws,
      holdout: data.holdout,
      format: SampleFormat(
        scale: isImage && data.arguments.text("scale") == "unit" ? .unit : .raw, target: form,
        augmentation: data.augmentation, corruption: data.corrupt, seed: seed),
      standardization: data.standardize, standardizesTarget: data.standardizesTarget,
      targetsAreLaterInputs: data.dataset == "trend"
    ) { split in
      let source = try recipe.data.source(split)
      var classCount: Int?
      if case .classIndex(let count) = source.targetType { classCount = count }
      try recipe.check(
        inputShape: source.inputShape, targetShape: source.targetShape, classCount: classCount,
        classNames: source.classNames)
      return source
    }
  }

  /// The metric that follows from the recipe, its loss and the type of the targets.
  func metric(for target: TargetType) -> Metric {
    if evaluation.metric == EvaluationSpec.Metric.none { return .none }
    switch (data.target, target) {
    case (.input, _): return .none
    case (.oneHot, .classIndex(let count)): return .oneHot(count: count)
    case (_, .classIndex(let count)): return .classes(count: count)
    case (_, .float32): break
    }
    let threshold = evaluation.threshold
    switch loss.kind {
    case "bce": return .binary(threshold: threshold)
    // The logit whose sigmoid is the threshold.
    case "bce-with-logits": return .binary(threshold: log(threshold / (1 - threshold)))
    default: return evaluation.metric == .accuracy ? .binary(threshold: threshold) : .none
    }
  }
}

extension Recipe {
  /// The recipe's YAML without the paths of the data, which may differ between hosts and do not
  /// affect the result.
  public var identity: String {
    var recipe = self
    recipe.data.forgetPaths()
    return recipe.yaml
  }

  /// The values that `identity` writes, by dotted path, such as ("optimizer.lr", "0.1").
  public var identityValues: [(key: String, value: String)] {
    var recipe = self
    recipe.data.forgetPaths()
    return Value.fields(recipe.fields).scalars
  }

  /// Makes the paths of the data absolute, so that the recipe can be used in any folder.
  /// - Parameter folder: the folder that relative paths start from.
  public mutating func completePaths(from folder: String) { data.completePaths(from: folder) }

  /// The first key that differs and that a run cannot change when it is resumed.
  ///
  /// The number of epochs, the shards, the learning rate, its schedule, the norm that gradients are
  /// clipped to and the evaluation can change: the new recipe holds from there on.
  public func firstFixedDifference(from other: Recipe) -> String? {
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
