import Datasets
import Layers
import Optimizers
import Tensors

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
  /// The most samples of a shard's part of a batch that are computed at once, which bounds the
  /// memory; nil: the whole part.
  public var microBatchSize: Int?
  public var epochs: Int
  /// Logical shards (S).
  public var shardCount: Int
  public var isShuffled: Bool
  public var learningRate: Double
  public var schedule: Schedule
  /// The largest Euclidean norm of a step's gradient; a longer one is scaled down to it. nil: none.
  public var clipNorm: Double?
  /// Rounds each shard's gradient, and every sum of them in the tree, to bfloat16: what travels between
  /// hosts is half as long, and the result is still the same on any ranks and hosts.
  public var compressesGradients = false
  /// Step 1 adds the gradient of an earlier backward pass at the same weights, which nobody cleared.
  public var hasLeftoverGradient = false
  public var data: DataSet
  /// A network without its values; each shard gets one.
  public var makeModel: () -> any Module
  /// Gives a network its initial values, a function of the recipe.
  public var initialize: (any Module) -> Void
  public var loss: any Loss
  /// What is right, for targets as the data set has them.
  public var metric: (TargetType) -> Metric
  /// Epochs between evaluations, and between checkpoints where nothing else is asked for.
  public var evaluationInterval = 1
  public var earlyStopping: EarlyStopping?
  /// From the elements of the parameter arena.
  public var makeOptimizer: (Int) -> any Optimizer

  public init(
    name: String, recipeText: String, recipeIdentity: String, seed: UInt64, batchSize: Int,
    epochs: Int, shardCount: Int, isShuffled: Bool, learningRate: Double, schedule: Schedule,
    data: DataSet, makeModel: @escaping () -> any Module, loss: any Loss,
    makeOptimizer: @escaping (Int) -> any Optimizer, metric: @escaping (TargetType) -> Metric
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
    self.data = data
    self.makeModel = makeModel
    initialize = { $0.initialize(seed: seed) }
    self.loss = loss
    self.metric = metric
    self.makeOptimizer = makeOptimizer
  }
}

/// Ends a run that no longer gets better.
public struct EarlyStopping: Sendable, Equatable {
  public enum Monitor: String, Sendable, CaseIterable { case loss, accuracy }

  public var monitor: Monitor
  /// Evaluations in a row that may bring nothing better.
  public var patience: Int
  /// By how much better is better.
  public var minimumDelta: Double

  public init(monitor: Monitor, patience: Int, minimumDelta: Double) {
    self.monitor = monitor
    self.patience = patience
    self.minimumDelta = minimumDelta
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
  /// Each rank keeps the optimizer's state of a slice of the parameters, and updates that. All ranks
  /// alike.
  public var shardsOptimizer = false
  /// In steps; 0 writes no step lines.
  public var logEvery = 100
  /// In epochs; 0 never evaluates; nil: the recipe's.
  public var evalEvery: Int?
  /// In steps; 0 never saves; nil saves as often as the recipe evaluates.
  public var checkpointEvery: Int?
  public var isQuiet = false
  /// When it must be over; root's alone counts.
  public var timeLimit: TimeLimit?

  public init(runDirectory: String) { self.runDirectory = runDirectory }
}

/// How a run ended.
public enum Outcome: Sendable, Equatable {
  /// All epochs are done.
  case completed
  /// `maxSteps` were made.
  case reachedMaxSteps
  /// Nothing got better for as long as the recipe allows.
  case stoppedEarly
  /// A signal asked for it, or the time was up.
  case stopped(by: String)
}
