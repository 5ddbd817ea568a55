import Datasets
import Layers
import Optimizers
import TensorCore

/// What to train: a recipe made into values. The same job gives the same bits on any machine shape.
public struct TrainingJob {
  public var name: String
  /// The recipe as resolved, in YAML: training this text again gives the same bits.
  public var recipeText: String
  /// The part of it that decides the bits: without where the data lie.
  public var recipeIdentity: String
  public var seed: UInt64
  /// Samples in a global batch.
  public var batchSize: Int
  public var epochs: Int
  /// Logical shards (S).
  public var shardCount: Int
  public var isShuffled: Bool
  public var learningRate: Double
  public var schedule: Schedule
  public var pixelScale: PixelScale
  /// What one sample looks like to the network, such as [1, 28, 28].
  public var inputShape: [Int]
  /// A network without its values; each shard gets one.
  public var makeModel: () -> any Module
  public var loss: any Loss
  /// From the elements of the parameter arena.
  public var makeOptimizer: (Int) -> any Optimizer
  /// The training samples of some of S shards.
  public var loadTrainingSet: (_ shards: Range<Int>, _ shardCount: Int) throws -> ShardedImages
  /// The test split, from its beginning.
  public var openTestSet: () throws -> ImageStream

  public init(
    name: String, recipeText: String, recipeIdentity: String, seed: UInt64, batchSize: Int,
    epochs: Int, shardCount: Int,
    isShuffled: Bool, learningRate: Double, schedule: Schedule, pixelScale: PixelScale,
    inputShape: [Int], makeModel: @escaping () -> any Module, loss: any Loss,
    makeOptimizer: @escaping (Int) -> any Optimizer,
    loadTrainingSet: @escaping (_ shards: Range<Int>, _ shardCount: Int) throws -> ShardedImages,
    openTestSet: @escaping () throws -> ImageStream
  ) {
    self.name = name
    self.recipeText = recipeText
    self.recipeIdentity = recipeIdentity
    self.seed = seed
    self.batchSize = batchSize
    self.epochs = epochs
    self.shardCount = shardCount
    self.isShuffled = isShuffled
    self.learningRate = learningRate
    self.schedule = schedule
    self.pixelScale = pixelScale
    self.inputShape = inputShape
    self.makeModel = makeModel
    self.loss = loss
    self.makeOptimizer = makeOptimizer
    self.loadTrainingSet = loadTrainingSet
    self.openTestSet = openTestSet
  }
}

/// How a run goes about it: nothing here changes a bit of the result.
public struct RunOptions: Sendable {
  public var runDirectory: String
  public var resume = false
  /// Initial weights; nil: from the seed.
  public var initFile: String?
  /// Steps after which the run ends, as if on request but with status 0.
  public var maxSteps: Int?
  /// This rank's.
  public var threads = 1
  /// In steps; 0 writes no step lines.
  public var logEvery = 100
  /// In epochs; 0 never evaluates.
  public var evalEvery = 1
  /// In steps; 0 never saves; nil saves at the end of each epoch.
  public var checkpointEvery: Int?
  public var isQuiet = false

  public init(runDirectory: String) { self.runDirectory = runDirectory }
}

/// How a run ended.
public enum Outcome: Sendable, Equatable {
  /// All epochs are done.
  case completed
  /// `maxSteps` were made.
  case reachedMaxSteps
  /// A signal asked for it.
  case stopped(signal: String)
}
