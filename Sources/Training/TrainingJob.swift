import Datasets
import Layers
import Optimizers
import System
import Tensors

/// What to train: data, a network, a loss and an optimizer. With the same `shardCount`, the same
/// job gives the same bits on any number of ranks and threads.
///
///     TrainingJob("mine", data: .csv("flowers.csv", target: "kind"), model: { Net() },
///       loss: CrossEntropyLoss(), optimizer: .adam(learningRate: 1e-3), batchSize: 64, epochs: 5)
public struct TrainingJob {
  public var name: String
  public var data: TrainingData
  /// Makes a network; called for each shard. `initialize` sets the parameters' values afterwards.
  public var makeModel: () -> any Module
  public var loss: any Loss
  public var optimizer: OptimizerFactory
  /// Samples in a global batch, over all ranks and shards.
  public var batchSize: Int
  /// Passes over the training split.
  public var epochs: Int
  /// The seed of the initial values, of the order of samples, and of random layers.
  public var seed: UInt64
  /// The number of logical shards (S). nil: the number of ranks of the first launch; a resumed run
  /// keeps the checkpoint's number.
  public var shardCount: Int?
  /// Whether the samples are shuffled again in each epoch.
  public var isShuffled: Bool
  public var schedule: Schedule
  /// The maximum Euclidean norm of a step's gradient; a gradient with a larger norm is scaled down
  /// to it. nil: no limit.
  public var clipNorm: Double?
  /// The maximum number of samples of a shard's part of a batch that are computed at once, to limit
  /// memory. nil: the whole part.
  public var microBatchSize: Int?
  /// Whether each shard's gradient, and every sum of gradients, is rounded to bfloat16. Then hosts
  /// send half as many bytes.
  public var compressesGradients = false
  /// User-defined metrics, in addition to the loss and the accuracy.
  public var metrics: [any Metric] = []
  /// Epochs between evaluations; also between checkpoints, unless the run's options set another
  /// interval.
  public var evaluationInterval = 1
  public var earlyStopping: EarlyStopping?
  /// Sets a network's initial values; nil: `initialize(seed:)` does.
  public var initialize: ((any Module) -> Void)?
  /// Returns the accuracy rule for the data set's target type; nil: the rule follows from the loss.
  package var accuracyRule: ((TargetType) -> AccuracyRule)?
  /// Whether step 1 also adds the gradient of an earlier backward pass at the same weights, as if
  /// `zero_grad()` had been forgotten.
  package var hasLeftoverGradient = false
  /// The resolved recipe in YAML: training with this text again gives the same bits. nil: the job
  /// was made by a program, and its settings are written instead.
  package var recipeText: String?
  /// The part of the recipe that determines the bits: without the paths of the data.
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

  /// Returns the rule that decides whether an output is correct.
  package func accuracy(for target: TargetType) -> AccuracyRule {
    accuracyRule?(target) ?? .rule(loss, target: target, form: data.format.target)
  }

  /// The settings that determine the bits, by key, as far as they are plain values. They must be
  /// the same on all ranks.
  package var settings: [(key: String, value: String)] {
    [
      ("name", name), ("batch_size", "\(batchSize)"), ("epochs", "\(epochs)"), ("seed", "\(seed)"),
      ("shards", shardCount.map { "\($0)" } ?? "null"), ("shuffle", "\(isShuffled)"),
      ("optimizer", optimizer.description), ("learning_rate", "\(optimizer.learningRate)"),
      ("schedule", "\(schedule)"),
      ("parameter_rules", "\(optimizer.rules)"), ("clip_norm", "\(clipNorm ?? .infinity)"),
      ("micro_batch", microBatchSize.map { "\($0)" } ?? "null"),
      ("compress", "\(compressesGradients)"), ("data", data.name),
      ("loss", String(describing: loss)),
    ]
  }

  /// The text of recipe.yaml.
  var runText: String {
    recipeText
      ?? TrainingJob.programMark + " The program has its network, loss and data.\n"
      + settings.map { "\($0.key): '\($0.value.replacing("'", with: "''"))'\n" }.joined()
  }

  /// What recipe.yaml begins with where the run is a program's.
  package static let programMark = "# The settings of a program's training job."

  var identityText: String {
    recipeIdentity
      ?? settings.filter { !["shards", "data"].contains($0.key) }.map { "\($0.key): \($0.value)\n" }
      .joined()
  }
}

/// Ends a run that no longer improves.
public struct EarlyStopping: Sendable, Equatable {
  public enum Monitor: String, Sendable, CaseIterable { case loss, accuracy }

  public var monitor: Monitor
  /// The number of evaluations in a row without improvement after which the run ends.
  public var patience: Int
  /// The smallest difference that counts as an improvement.
  public var minimumDelta: Double

  public init(monitor: Monitor, patience: Int, minimumDelta: Double) {
    self.monitor = monitor
    self.patience = patience
    self.minimumDelta = minimumDelta
  }
}
