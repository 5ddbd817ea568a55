import Communication
import DataParallel
import System

/// Saves and restores checkpoints of a custom training loop, in a run directory:
///
///     let checkpoints = try LoopCheckpoints(world, directory: "runs/mine")
///     let start = try checkpoints.restore(into: step)
///     for epoch in start.epochs(through: 10) {
///       for batch in data.batches(epoch: epoch, from: epoch == start.epoch ? start.batch : 0) {
///         let result = try step(batch, learningRate: 0.1) { ... }
///         if result.step % 100 == 0 || result.stop != nil {
///           try checkpoints.save(step, after: batch)
///         }
///       }
///     }
///
/// A checkpoint is either complete or does not exist. It can be restored on another number of
/// ranks.
public final class LoopCheckpoints {
  private let world: Communicator
  private let recorder: RunRecorder
  private let loaded: LoadedCheckpoint?
  private let needs = TimeNeeds()

  /// Opens and locks the directory, and creates it if it does not exist.
  ///
  /// Collective: every rank.
  /// - Throws: Failure, the same on every rank: `cannotCreate` if the directory is in use or cannot
  ///   be written, `badData` if it has checkpoints and all of them are damaged.
  public init(_ world: Communicator, directory: String) throws {
    self.world = world
    var options = RunOptions(runDirectory: directory)
    options.resume = .ifPresent
    let recorder = RunRecorder(options, world: world)
    self.recorder = recorder
    loaded = try world.agree(on: "opening the run directory") {
      let loaded = try recorder.openExisting()
      try recorder.open(text: TrainingJob.programMark + " It is a loop of one's own.\n")
      return loaded
    }
  }

  /// Loads the newest checkpoint that is not damaged. Does nothing if there is no checkpoint.
  ///
  /// Collective: every rank.
  /// - Returns: the position at which the loop continues.
  /// - Throws: Failure, the same on every rank: `badData` if the checkpoint belongs to another
  ///   network, `usage` if it has another number of shards.
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

  /// Saves the state after the step on `batch`. Waits until it is on the disk.
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

/// A position in a training loop.
public struct LoopPosition: Sendable, Equatable {
  /// Counted from 1.
  public let epoch: Int
  /// The next batch of the epoch, counted from 0.
  public let batch: Int

  public init(epoch: Int = 1, batch: Int = 0) {
    self.epoch = epoch
    self.batch = batch
  }

  /// The epochs that are left up to `last`; empty for a loop that is done.
  public func epochs(through last: Int) -> Range<Int> { min(epoch, last + 1)..<last + 1 }
}
