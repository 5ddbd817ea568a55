import Datasets
import Layers
import Optimizers
import TensorCore
import Training

extension Recipe {
  /// The recipe made into values.
  /// - Parameter shards: what `shards` comes to where it is nil.
  /// - Throws: `Failure(.inputMissing)` where the data are not.
  public func job() throws -> TrainingJob {
    let recipe = self
    guard let imageSet = data.imageSet, loss == LossSpec.crossEntropy, data.isPlain,
      model.initial.isEmpty, !addsLeftoverGradient
    else {
      throw Failure(
        .usage, "recipe \(name): only whole image sets are trained on, with cross-entropy")
    }
    guard let shards else { fatalError("a recipe becomes a job when its shards are known") }
    return TrainingJob(
      name: name, recipeText: yaml, recipeIdentity: identity, seed: seed, batchSize: batchSize,
      epochs: epochs,
      shardCount: shards, isShuffled: shuffle, learningRate: optimizer.lr,
      schedule: schedule.schedule(),
      pixelScale: data.arguments.text("scale") == "unit" ? .unit : .raw,
      inputShape: Recipe.imageShape,
      makeModel: { recipe.model.module() }, loss: loss.loss(),
      makeOptimizer: { recipe.optimizer.optimizer(elementCount: $0) },
      loadTrainingSet: { shards, shardCount in
        let folder = try imageSet.folder(recipe.data.path)
        let set = try ShardedImages.load(
          images: folder.trainImages, labels: folder.trainLabels, shards: shards,
          shardCount: shardCount, classCount: Recipe.classCount)
        try recipe.check(set.sampleShape, of: folder.trainImages)
        return set
      },
      openTestSet: {
        let folder = try imageSet.folder(recipe.data.path)
        let stream = try ImageStream(
          images: folder.testImages, labels: folder.testLabels, classCount: Recipe.classCount)
        try recipe.check(stream.sampleShape, of: folder.testImages)
        return stream
      })
  }

  private static let imageShape = [1, 28, 28]
  private static let classCount = 10

  private func check(_ sampleShape: [Int], of path: String) throws {
    guard [1] + sampleShape == Recipe.imageShape else {
      throw Failure(
        .badData,
        "\(path): its images are \(sampleShape), \(name) takes \(Array(Recipe.imageShape[1...]))",
        remedy: "use the data set's own files")
    }
  }
}

extension DataSpec {
  /// The image sets that systems have.
  public enum Dataset: String, CaseIterable, Sendable {
    case mnist
    case fashionMNIST = "fashion-mnist"

    /// Where a Debian package puts it.
    public var systemPath: String? {
      self == .fashionMNIST ? "/usr/share/datasets/fashion-mnist" : nil
    }

    /// Its files in `directory`.
    /// - Throws: `Failure(.inputMissing)` naming what is not there and where to get it.
    public func folder(_ directory: String) throws -> ImageFolder {
      try ImageFolder.locate(directory, dataset: rawValue)
    }

    fileprivate func folder(_ directory: String?) throws -> ImageFolder {
      guard let directory = directory ?? systemPath else {
        throw Failure(
          .inputMissing, "no folder is named for the data set \(rawValue)",
          remedy: "--data DIR with its four IDX files (train-images-idx3-ubyte[.gz], ...)")
      }
      return try folder(directory)
    }
  }

  var imageSet: Dataset? { Dataset(rawValue: dataset) }

  fileprivate var isPlain: Bool {
    target == nil && sample == nil && split.validation == 0 && split.folds == nil
      && standardize == .none && augment.isNone && corrupt == 0
  }
}

extension Recipe {
  /// The recipe's YAML without where the data lie, which may differ between hosts and decides
  /// nothing.
  public var identity: String {
    var recipe = self
    recipe.data.forgetPaths()
    return recipe.yaml
  }

  /// The first key that a run cannot change on its way, and that differs. The number of epochs,
  /// shards, the learning rate, its schedule and what is evaluated can: that is a new recipe from
  /// there on.
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
    if shuffle != other.shuffle { return "shuffle" }
    if seed != other.seed { return shown("seed", seed, other.seed) }
    return addsLeftoverGradient == other.addsLeftoverGradient ? nil : "leftover_gradient"
  }
}

extension Variant {
  /// The first key whose values differ: the tag's if the kinds do.
  fileprivate func firstDifference(from other: Variant, besides keys: [String]) -> String? {
    if kind != other.kind { return tag }
    return zip(arguments.entries, other.arguments.entries)
      .first { $0 != $1 && !keys.contains($0.key) }?.0.key
  }
}
