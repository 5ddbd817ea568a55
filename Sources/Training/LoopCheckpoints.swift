import Communication
import DataParallel
import System

/// Checkpoints of a training loop of one's own, in a run directory:
///
///     let checkpoints = try LoopCheckpoints(world, directory: "runs/mine")
///     let start = try checkpoints.restore(into: step)
///     for epoch in start.epoch...10 {
///       for batch in data.batches(epoch: epoch, from: epoch == start.epoch ? start.batch : 0) {
///         let result = try step(batch, learningRate: 0.1) { ... }
///         if result.step % 100 == 0 || result.stop != nil { try checkpoints.save(step, after: batch) }
///       }
///     }
///
/// A checkpoint exists whole or not at all, and can be restored on another number of ranks.
public final class LoopCheckpoints {
  private let world: Communicator
  private let recorder: RunRecorder
  private let loaded: LoadedCheckpoint?
  private let needs = TimeNeeds()

  /// Opens and locks the directory, which is made if need be.
  ///
  /// Collective: every rank.
  /// - Throws: Failure, the same on every rank: `cannotCreate` where the directory is in use or cannot be
  ///   written, `badData` where it has checkpoints and none of them verifies.
  public init(_ world: Communicator, directory: String) throws {
    self.world = world
    var options = RunOptions(runDirectory: directory)
    options.resume = .ifPresent
    let recorder = RunRecorder(options, world: world)
    self.recorder = recorder
    loaded = try world.agree(on: "opening the run directory") {
      let loaded = try recorder.openExisting()
      try recorder.open(text: "# The run of a loop of one's own: its program has the settings.\n")
      return loaded
    }
  }

  /// Loads the newest checkpoint that verifies; without one, nothing.
  ///
  /// Collective: every rank.
  /// - Returns: where the loop goes on.
  /// - Throws: Failure, the same on every rank: `badData` where the checkpoint is of another network,
  ///   `usage` where it was made with another number of shards.
  public func restore<Model>(into step: DataParallelStep<Model>) throws -> LoopPosition {
    guard let state = try world.broadcast(loaded?.state) else { return LoopPosition() }
    guard state.shards == step.shardCount else {
      throw Failure(
        .usage,
        "the checkpoint of step \(state.step) has \(state.shards) shards, and the loop "
          + "\(step.shardCount)", remedy: "use \(state.shards) shards, or another directory")
    }
    try step.engine.restore(hasOptimizerState: true) { model, optimizer in
      guard let loaded else { return }
      try Checkpoint.restore(loaded.model, into: model, from: loaded.path)
      try Checkpoint.restore(loaded.optimizer, into: optimizer, from: loaded.path)
    }
    step.engine.step = state.step
    step.engine.skippedInARow = state.skippedInARow
    recorder.note(resumedAt: state.step)
    return LoopPosition(epoch: state.epoch, batch: state.position)
  }

  /// Saves the state after a step on `batch`, and waits until it is on the disk.
  ///
  /// Collective: every rank.
  /// - Throws: Failure, the same on every rank.
  public func save<Model>(_ step: DataParallelStep<Model>, after batch: GlobalBatch) throws {
    guard recorder.begunStep != step.stepCount else { return }
    let next =
      batch.isLastOfEpoch
      ? LoopPosition(epoch: batch.epoch + 1)
      : LoopPosition(epoch: batch.epoch, batch: batch.index + 1)
    var state = CheckpointState(
      step: step.stepCount, epoch: next.epoch, position: next.batch, seed: step.engine.options.seed,
      shards: step.shardCount, recipeDigest: "")
    state.skippedInARow = step.engine.skippedInARow
    state.dataDigest = batch.data.facts.digest
    state.standardization = batch.data.facts.standardization
    try recorder.save(step.engine, state, waits: true, needs)
  }
}

/// Where a loop stands.
public struct LoopPosition: Sendable, Equatable {
  /// From 1.
  public let epoch: Int
  /// The next batch of the epoch, from 0.
  public let batch: Int

  public init(epoch: Int = 1, batch: Int = 0) {
    self.epoch = epoch
    self.batch = batch
  }
}
