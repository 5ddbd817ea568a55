import Communication
import Layers
import Optimizers
import System
import Tensors

/// Trains replicas of a network data-parallel, one step at a time:
///
///     let step = try DataParallelStep(world, shards: 8, model: { Net() }, optimizer: .adam())
///     for batch in data.batches(epoch: 1) {
///       let result = try step(batch, learningRate: 1e-3) { net, part in
///         loss(net(part.inputs), part.targets, globalCount: part.globalCount)
///       }
///       if result.stop != nil { break }
///     }
///
/// Each shard's part of a batch is computed separately. One binary tree adds the shards' gradients
/// over all ranks, and every rank's optimizer makes the same update. So the parameters have the
/// same bits on every rank, and for any number of ranks and threads.
public final class DataParallelStep<Model> {
  package let engine: StepEngine

  /// Makes the network's replicas and gives them their initial values.
  ///
  /// Collective: every rank, with the same arguments.
  /// - Parameters:
  ///   - shards: S, the number of logical shards; at least the number of ranks. The result depends
  ///     on it.
  ///   - model: makes a network; called once for each shard of this rank.
  ///   - optimizer: turns gradients into updates.
  ///   - seed: the seed of the initial values and of the random layers.
  /// - Throws: Failure, the same on every rank: `usage` for more ranks than shards, `ranksDisagree`
  ///   if the networks differ between ranks.
  public convenience init(
    _ world: Communicator, shards: Int, model: @escaping () -> Model, optimizer: OptimizerFactory,
    seed: UInt64 = 0, options: StepOptions = StepOptions()
  ) throws where Model: Module {
    var options = options
    options.seed = seed
    let engine = try StepEngine(
      world, shards: shards, model: model, optimizer: optimizer, options: options)
    engine.module.initialize(seed: seed)
    for module in engine.modules.dropFirst() { module.nameRandomLayers(seed: seed) }
    self.init(engine)
  }

  /// - Precondition: the engine's networks are Models.
  package init(_ engine: StepEngine) { self.engine = engine }

  /// Takes one step: computes this rank's shards, adds the gradients of all ranks, and updates the
  /// parameters.
  ///
  /// If the loss or the gradient is not finite, the step is skipped on every rank. The third
  /// skipped step in a row is an error.
  ///
  /// Collective: every rank, with the same batch and learning rate.
  /// - Parameter loss: computes a shard's part of the loss of the global batch from its network and
  ///   its samples: the sum over the samples divided by `globalCount`. Called on several threads,
  ///   each with another network.
  /// - Throws: Failure, the same on every rank: the error thrown by `loss`, with the rank that
  ///   threw it; `trainingFailed` if training cannot continue.
  @discardableResult
  public func callAsFunction(
    _ batch: GlobalBatch, learningRate: Double,
    loss: (_ model: Model, _ part: BatchPart) throws -> Tensor
  ) throws -> StepResult {
    try engine.take(batch, learningRate: learningRate) { try loss($0 as! Model, $1) }
  }

  /// The network of this rank's first shard; its parameters are the same on all ranks. After
  /// `model.eval()`, call `model.train()` before the next step.
  public var model: Model {
    engine.loadBuffers()
    return engine.module as! Model
  }

  /// The number of steps taken.
  public var stepCount: Int { engine.step }
  public var shardCount: Int { engine.shardCount }
  public var parameterCount: Int { engine.parameterCount }
}
