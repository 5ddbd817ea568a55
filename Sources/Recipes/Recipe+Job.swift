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
    guard let shards else { fatalError("a recipe becomes a job when its shards are known") }
    return TrainingJob(
      name: name, recipeText: yaml, recipeIdentity: identity, seed: seed, batchSize: batchSize,
      epochs: epochs, shardCount: shards, isShuffled: shuffle, learningRate: optimizer.lr,
      schedule: schedule == .cosine ? .cosine : .constant, data: dataSet,
      makeModel: { recipe.model.module() }, loss: CrossEntropyLoss(),
      metric: .classes(count: Recipe.classCount),
      makeOptimizer: { recipe.optimizer.optimizer(elementCount: $0) })
  }

  public var dataSet: DataSet {
    let recipe = self
    return DataSet(
      name: data.dataset.rawValue, hasTestSource: true,
      format: SampleFormat(scale: data.scale == .unit ? .unit : .raw, seed: seed)
    ) { split in
      let folder = try recipe.data.folder()
      let images = split == .test ? folder.testImages : folder.trainImages
      let labels = split == .test ? folder.testLabels : folder.trainLabels
      let stream = try ImageStream(images: images, labels: labels, classCount: Recipe.classCount)
      try recipe.check(stream.sampleShape, of: images)
      return stream
    }
  }

  private func check(_ sampleShape: [Int], of path: String) throws {
    guard [1] + sampleShape == Recipe.sampleShape else {
      throw Failure(
        .badData,
        "\(path): its images are \(sampleShape), \(name) takes \(Array(Recipe.sampleShape[1...]))",
        remedy: "use the data set's own files")
    }
  }
}

extension DataSpec {
  func folder() throws -> ImageFolder {
    guard let directory = path ?? dataset.systemPath else {
      throw Failure(
        .inputMissing, "no folder is named for the data set \(dataset.rawValue)",
        remedy: "--data DIR with its four IDX files (train-images-idx3-ubyte[.gz], ...)")
    }
    return try dataset.folder(directory)
  }
}

extension DataSpec.Dataset {
  /// Its files in `directory`.
  /// - Throws: `Failure(.inputMissing)` naming what is not there and where to get it.
  public func folder(_ directory: String) throws -> ImageFolder {
    try ImageFolder.locate(directory, dataset: rawValue)
  }
}

extension Recipe {
  /// The recipe's YAML without where the data lie, which may differ between hosts and decides
  /// nothing.
  public var identity: String {
    var recipe = self
    recipe.data.path = nil
    return recipe.yaml
  }

  /// The first key that a run cannot change on its way, and that differs. The number of epochs,
  /// shards, the learning rate and its schedule can: that is a new recipe from there on.
  public func firstFixedDifference(from other: Recipe) -> String? {
    if name != other.name { return "recipe (\(name), not \(other.name))" }
    if data.dataset != other.data.dataset { return "data.dataset" }
    if data.scale != other.data.scale { return "data.scale" }
    if model != other.model { return "model" }
    if loss != other.loss { return "loss" }
    if optimizer.kind != other.optimizer.kind { return "optimizer.kind" }
    if batchSize != other.batchSize { return "batch_size (\(batchSize), not \(other.batchSize))" }
    if shuffle != other.shuffle { return "shuffle" }
    if seed != other.seed { return "seed (\(seed), not \(other.seed))" }
    return nil
  }
}

extension OptimizerSpec {
  func optimizer(elementCount: Int) -> any Optimizer {
    switch kind {
    case .sgd: SGD()
    case .adam:
      Adam(elementCount: elementCount, beta1: betas[0], beta2: betas[1], epsilon: eps)
    }
  }
}

extension ModelSpec {
  /// The network; its parameters have no values yet.
  public func module() -> any Module { ModelSpec.sequential(layers, typeName: typeName) }

  private static func sequential(_ layers: [LayerSpec], typeName: String) -> Sequential {
    Sequential(
      named: layers.enumerated().map { ($1.name ?? String($0), module($1)) }, typeName: typeName)
  }

  private static func module(_ spec: LayerSpec) -> any Module {
    switch spec.kind {
    case .flatten(let startAxis, let endAxis): Flatten(startAxis: startAxis, endAxis: endAxis)
    case .linear(let inFeatures, let outFeatures, let bias):
      Linear(inFeatures, outFeatures, bias: bias)
    case .conv2d(let inChannels, let outChannels, let kernel, let stride, let padding, let bias):
      Conv2d(
        inChannels, outChannels, kernel: HeightWidth(kernel), stride: HeightWidth(stride),
        padding: HeightWidth(padding), bias: bias)
    case .maxPool2d(let kernel, let stride):
      MaxPool2d(HeightWidth(kernel), stride: stride.map { HeightWidth($0) })
    case .relu: ReLU()
    case .sigmoid: Sigmoid()
    case .tanh: Tanh()
    case .sequential(let layers): sequential(layers, typeName: "Sequential")
    }
  }
}
