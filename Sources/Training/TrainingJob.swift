import Datasets
import Layers
import Optimizers
import System
import Tensors

/// What to train: data, a network, a loss and how to minimize it. The same job gives the same bits on any
/// number of ranks and threads.
///
///     TrainingJob("mine", data: .csv("flowers.csv", target: "kind"), model: { Net() },
///       loss: CrossEntropyLoss(), optimizer: .adam(learningRate: 1e-3), batchSize: 64, epochs: 5)
public struct TrainingJob {
  public var name: String
  public var data: TrainingData
  /// Makes a network without its values; each shard gets one.
  public var makeModel: () -> any Module
  public var loss: any Loss
  public var optimizer: OptimizerFactory
  /// Samples in a global batch, over all ranks and shards.
  public var batchSize: Int
  /// Passes over the training split.
  public var epochs: Int
  /// Of initial values, order, and random layers.
  public var seed: UInt64
  /// Logical shards (S); nil: the number of ranks of the first launch, and from then on what the checkpoint
  /// says.
  public var shardCount: Int?
  /// Whether each epoch has an order of its own.
  public var isShuffled: Bool
  public var schedule: Schedule
  /// The largest Euclidean norm of a step's gradient; a longer one is scaled down to it. nil: none.
  public var clipNorm: Double?
  /// The most samples of a shard's part of a batch that are computed at once, which bounds the memory; nil:
  /// the whole part.
  public var microBatchSize: Int?
  /// Whether each shard's gradient, and every sum of them, is rounded to bfloat16, so that hosts send half the
  /// bytes.
  public var compressesGradients = false
  /// Figures of one's own, beside the loss and the accuracy.
  public var metrics: [any Metric] = []
  /// Epochs between evaluations, and between checkpoints where nothing else is asked for.
  public var evaluationInterval = 1
  public var earlyStopping: EarlyStopping?
  /// Gives a network its initial values; nil: `initialize(seed:)`.
  public var initialize: ((any Module) -> Void)?
  /// When an output counts as right, for targets as the data set has them; nil: as the loss says.
  package var accuracyRule: ((TargetType) -> AccuracyRule)?
  /// Step 1 adds the gradient of an earlier backward pass at the same weights, which nobody cleared.
  package var hasLeftoverGradient = false
  /// The recipe as resolved, in YAML: training this text again gives the same bits. nil: the job is a
  /// program's, and its settings are written instead.
  package var recipeText: String?
  /// The part of it that decides the bits: without where the data lie.
  package var recipeIdentity: String?

  public init(
    _ name: String, data: TrainingData, model: @escaping () -> any Module, loss: any Loss,
    optimizer: OptimizerFactory = .adam(), batchSize: Int = 64, epochs: Int = 10, seed: UInt64 = 0,
    shards: Int? = nil, shuffle: Bool = true, schedule: Schedule = .constant
  ) {
    self.name = name
    self.data = data
    makeModel = model
    self.loss = loss
    self.optimizer = optimizer
    self.batchSize = batchSize
    self.epochs = epochs
    self.seed = seed
    shardCount = shards
    isShuffled = shuffle
    self.schedule = schedule
  }

  /// When an output counts as right.
  package func accuracy(for target: TargetType) -> AccuracyRule {
    accuracyRule?(target) ?? .rule(loss, target: target, form: data.format.target)
  }

  /// What decides the bits, by key, so far as values tell: all ranks must have them alike.
  package var settings: [(key: String, value: String)] {
    [
      ("name", name), ("batch_size", "\(batchSize)"), ("epochs", "\(epochs)"), ("seed", "\(seed)"),
      ("shards", shardCount.map { "\($0)" } ?? "null"), ("shuffle", "\(isShuffled)"),
      ("learning_rate", "\(optimizer.learningRate)"), ("schedule", "\(schedule)"),
      ("parameter_rules", "\(optimizer.rules)"), ("clip_norm", "\(clipNorm ?? .infinity)"),
      ("micro_batch", microBatchSize.map { "\($0)" } ?? "null"),
      ("compress", "\(compressesGradients)"), ("data", data.name),
      ("loss", String(describing: type(of: loss))),
    ]
  }

  /// recipe.yaml's text.
  var runText: String {
    recipeText
      ?? "# The settings of a program's training job. The program has its network, loss and data.\n"
      + settings.map { "\($0.key): '\($0.value.replacing("'", with: "''"))'\n" }.joined()
  }

  var identityText: String {
    recipeIdentity
      ?? settings.filter { $0.key != "shards" }.map { "\($0.key): \($0.value)\n" }.joined()
  }
}

/// Ends a run that no longer improves.
public struct EarlyStopping: Sendable, Equatable {
  public enum Monitor: String, Sendable, CaseIterable { case loss, accuracy }

  public var monitor: Monitor
  /// Evaluations in a row that may bring no improvement.
  public var patience: Int
  /// The smallest difference that counts as an improvement.
  public var minimumDelta: Double

  public init(monitor: Monitor, patience: Int, minimumDelta: Double) {
    self.monitor = monitor
    self.patience = patience
    self.minimumDelta = minimumDelta
  }
}
