import Autograd
import Communication
import Datasets
import Layers
import Optimizers
import System
import Tensors

/// Options of a step. Only `clipNorm`, `microBatchSize`, `compressesGradients` and `seed` change
/// the bits of the result.
public struct StepOptions: Sendable {
  /// Threads of this rank; nil: as many as the cores it may use, divided among the ranks of its
  /// host.
  public var threads: Int?
  /// The maximum Euclidean norm of a step's gradient; a gradient with a larger norm is scaled down
  /// to it. nil: no limit.
  public var clipNorm: Double?
  /// The maximum number of samples of a shard's part of a batch that are computed at once, to limit
  /// memory. nil: the whole part.
  public var microBatchSize: Int?
  /// Whether each rank keeps the optimizer's state for a slice of the parameters only, and updates
  /// that slice (ZeRO-1). Must be the same on all ranks.
  public var shardsOptimizer = false
  /// Whether each shard's gradient, and every sum of gradients, is rounded to bfloat16. Then hosts
  /// send half as many bytes.
  public var compressesGradients = false
  /// The seed of the random layers.
  package var seed: UInt64 = 0
  /// Whether step 1 also adds the gradient of an earlier backward pass at the same weights, as if
  /// `zero_grad()` had been forgotten.
  package var hasLeftoverGradient = false

  public init() {}
}

/// The replicas of a network on one rank, which stay equal to those of the other ranks. It has one
/// arena of parameters, a gradient arena for each shard, the reduction of gradients over all ranks,
/// and the optimizer.
///
/// `DataParallelStep` is its public interface.
package final class StepEngine {
  package let communicator: Communicator
  package let options: StepOptions
  package let threads: ShardThreads
  package let layout: ArenaLayout
  package let parameterCount: Int
  /// The one copy of the parameters on this rank: float32, [layout.elementCount].
  package let parameters: Tensor
  /// The buffers of the network, such as batch norm's running statistics.
  package let buffers: ModuleBuffers
  /// Which parameters this rank's optimizer updates.
  package let slices: ParameterSlices
  package let optimizer: any Optimizer
  private let makeModel: () -> any Module
  private let rules: [ParameterRule]

  private(set) var workers: [ShardWorker] = []
  package private(set) var reduction: TreeReduction
  package private(set) var shardCount: Int
  /// nil if no layer sees the global batch.
  private(set) var synchronizer: ShardSynchronizer?
  private var needsSynchronizer = false
  /// The data for which the network was checked last.
  private var preparedFor: ShardedData?

  /// The number of the last step.
  package var step = 0 {
    didSet { communicator.step = step }
  }
  /// The number of steps in a row, up to this one, that were skipped because they were not finite;
  /// nil if none.
  package var skippedInARow: Int?
  /// Whether root has no time for another step.
  package var timeIsUp = false
  /// Whether the reduction of gradients overlaps the backward pass where possible. Must be the same
  /// on all ranks; changes no bit.
  package var overlaps = true
  var threadChoice = ThreadChoice()
  var stragglerDetector = StragglerDetector()

  /// Makes the network's replicas. The caller sets the initial values.
  ///
  /// Collective: every rank, with the same arguments.
  /// - Parameters:
  ///   - shardCount: S; at least the number of ranks.
  ///   - makeModel: makes a network; called for each shard.
  /// - Throws: Failure, the same on every rank: `usage` for more ranks than shards, `ranksDisagree`
  ///   if the networks differ between ranks.
  package init(
    _ communicator: Communicator, shards shardCount: Int,
    model makeModel: @escaping () -> any Module,
    optimizer factory: OptimizerFactory, options: StepOptions
  ) throws {
    StopSignals.install()
    self.communicator = communicator
    self.options = options
    self.makeModel = makeModel
    self.shardCount = shardCount
    rules = factory.rules
    let threadCount = options.threads ?? Cores.threads(localSize: communicator.localSize)
    threads = ShardThreads(count: threadCount)
    do {
      // This scope frees the template's memory before the shards allocate theirs.
      let template = makeModel()
      layout = ArenaLayout(of: template)
      parameterCount = template.parameterCount
      buffers = ModuleBuffers(of: template)
    }
    try ModelAgreement.check(layout, buffers.layout, communicator: communicator)
    guard layout.elementCount > 0 else {
      throw Failure(.usage, "the network has no parameters", remedy: "name them in its visit(_:)")
    }
    slices = try ParameterSlices(
      elementCount: layout.elementCount, isSharded: options.shardsOptimizer,
      communicator: communicator)
    parameters = slices.parameters
    optimizer = factory.optimizer(
      elementCount: slices.own.count, groups: layout.groups(rules, within: slices.own))
    reduction = try StepEngine.reduction(communicator, shardCount, layout, buffers, options)
    try makeWorkers()
  }

  /// Ends the threads. The engine must not be used afterwards.
  package func end() { threads.end() }

  /// The network of this rank's first shard.
  package var module: any Module { workers[0].replica.module }
  /// The first of this rank's shards.
  package var firstShard: Int { workers[0].replica.shard }
  package var modules: [any Module] { workers.map(\.replica.module) }

  /// Copies the replicated buffers into the first replica's network, for an evaluation.
  package func loadBuffers() { workers[0].replica.load(buffers) }

  /// Changes the number of shards, from the next step on.
  ///
  /// Collective: every rank.
  package func setShards(_ count: Int) throws {
    guard count != shardCount else { return }
    shardCount = count
    workers = []
    (synchronizer, preparedFor) = (nil, nil)
    reduction = try StepEngine.reduction(communicator, count, layout, buffers, options)
    try makeWorkers()
  }

  private static func reduction(
    _ communicator: Communicator, _ shardCount: Int, _ layout: ArenaLayout,
    _ buffers: ModuleBuffers, _ options: StepOptions
  ) throws -> TreeReduction {
    _ = try ShardRange.checked(communicator, shardCount: shardCount)
    return try TreeReduction(
      communicator: communicator, shardCount: shardCount,
      elementCount: ShardReplica.arenaElementCount(layout, buffers),
      roundedCount: options.compressesGradients ? layout.elementCount : 0)
  }

  private func makeWorkers() throws {
    let shards = ShardRange.of(
      rank: communicator.rank, worldSize: communicator.worldSize, shardCount: shardCount)
    let reduction = reduction
    let networks = try communicator.agree(on: "making the network") { () -> [any Module] in
      let networks = shards.map { _ in makeModel() }
      let parameters = networks.flatMap { $0.parameters.map { ObjectIdentifier($0) } }
      guard Set(parameters).count == parameters.count else {
        throw Failure(
          .usage, "the model's closure returned networks that share parameters",
          remedy: "make a new network in it at every call: model: { Net() }")
      }
      return networks
    }
    workers = zip(zip(shards, networks), reduction.arenas).map { place, arena in
      let (shard, network) = place
      let replica = ShardReplica(
        shard: shard, module: network, layout: layout, parameters: parameters,
        gradients: arena, buffers: buffers,
        isFrozen: { name in self.rules.first { $0.matches(name) }?.isFrozen ?? false })
      if reduction.overlaps {
        replica.onFinal = { [unowned reduction] in reduction.noteFinal(shard: shard, from: $0) }
      }
      return ShardWorker(replica: replica, rank: communicator.rank)
    }
    needsSynchronizer = !module.globalBatchLayers.isEmpty
    // Free the networks' own parameters, which the views into the arena replaced.
    BufferPool.shared.trim()
  }

  func isPrepared(for data: ShardedData) -> Bool { preparedFor === data }

  /// Checks that the network can be trained on the batches of `data`. A step does it if it was not
  /// done before.
  ///
  /// Collective: every rank.
  /// - Throws: `Failure(.usage)`, the same on every rank.
  package func prepare(for data: ShardedData) throws {
    if preparedFor === data { return }
    guard data.shardCount == shardCount else {
      throw Failure(
        .usage, "the data have \(data.shardCount) shards, and the network's replicas \(shardCount)",
        remedy: "give both the same number of shards")
    }
    try communicator.agree(on: "looking at batch normalization") {
      try BatchNormCheck.verify(module, data, microBatchSize: options.microBatchSize)
    }
    preparedFor = data
  }

  // MARK: - Layers that see the global batch

  /// Connects the layers that see the global batch between the shards, at the first step.
  ///
  /// Shards without samples in a batch must take part in every sum too, so the number of sums in a
  /// step must be known in advance. Root counts them in one forward and backward pass over two
  /// samples.
  ///
  /// Collective: every rank.
  func connectGlobalBatchLayers(
    _ batch: GlobalBatch, loss: (any Module, BatchPart) throws -> Tensor
  ) throws {
    guard needsSynchronizer else { return }
    needsSynchronizer = false
    let layers = module.globalBatchLayers
    guard options.microBatchSize == nil else {
      throw Failure(
        .usage,
        "layer \(layers[0].name) sees the global batch, which must then be in memory at once, and "
          + "micro_batch is \(options.microBatchSize!)", remedy: "leave the micro-batch size away")
    }
    let counted = try communicator.agree(on: "counting sums over the global batch") {
      communicator.isRoot ? try countSums(layers.map(\.layer), batch, loss) : 0
    }
    let synchronizer = try ShardSynchronizer(
      communicator: communicator, shardCount: shardCount,
      valueCount: layers.map(\.layer.maximumSumCount).max()!,
      sumsPerStep: Int(try communicator.allreduceMax(Int64(counted))))
    self.synchronizer = synchronizer
    for (worker, member) in zip(workers, synchronizer.members) { worker.sums = member }
  }

  /// Returns the number of sums in a step of a shard with samples. It runs a step with two samples;
  /// neither their values nor those of the parameters matter.
  private func countSums(
    _ layers: [any GlobalBatchLayer], _ batch: GlobalBatch,
    _ loss: (any Module, BatchPart) throws -> Tensor
  ) throws -> Int {
    let counter = SumCounter()
    let replica = workers[0].replica
    for layer in layers { layer.synchronizer = counter }
    defer {
      for layer in layers { layer.synchronizer = nil }
      replica.clear()
    }
    let part = [Int32(0), 0].withUnsafeBufferPointer {
      batch.data.part(shard: replica.shard, local: $0, globalCount: 2, epoch: nil)
    }
    replica.module.setRandomKey(RandomKey(seed: options.seed, step: 0, samples: [0, 0]))
    replica.differentiate(try loss(replica.module, part))
    return counter.count
  }
}

/// Counts the sums of a single shard, which are the shard's own values.
private final class SumCounter: BatchSynchronizer {
  private(set) var count = 0

  func sum(_ values: [Float]) -> [Float] {
    count += 1
    return values
  }
}

extension ArenaLayout {
  /// Returns the parameters that have a rule, as groups of an optimizer that updates the elements
  /// `range`.
  func groups(_ rules: [ParameterRule], within range: Range<Int>) -> [ParameterGroup] {
    entries.compactMap { entry in
      let own = (entry.offset..<entry.offset + entry.shape.elementCount).clamped(to: range)
      guard !own.isEmpty, let rule = rules.first(where: { $0.matches(entry.name) }) else {
        return nil
      }
      return ParameterGroup(
        range: own.lowerBound - range.lowerBound..<own.upperBound - range.lowerBound,
        learningRateScale: rule.learningRateScale, weightDecay: rule.weightDecay,
        isFrozen: rule.isFrozen)
    }
  }
}
