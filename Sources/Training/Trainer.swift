import Communication
import DataParallel
import Datasets
import Foundation
import Glibc
import Layers
import Optimizers
import System
import Tensors

/// A failure that only this rank knows of: it ends the whole job at once. (A plain `Failure` is
/// thrown by all ranks alike.)
public struct RankFailure: Error {
  public let failure: Failure
}

/// Trains a job on all ranks.
///
/// Collective: every rank makes one with the same job and calls the same methods in the same order.
public final class Trainer {
  let job: TrainingJob
  let options: RunOptions
  let communicator: Communicator
  let console: Console
  let threads: ShardThreads

  /// Root's alone.
  var directory: RunDirectory?
  var writer: CheckpointWriter?
  /// The last step whose checkpoint is there; -1 before the first. Other ranks than root know of it only
  /// at the start and at the end.
  var savedStep = -1
  /// The last step whose save was begun; -1 before the first.
  var begunStep = -1

  let layout: ArenaLayout
  public let parameterCount: Int
  /// The one copy of the parameters on this rank: float32, [layout.elementCount].
  let parameters: Tensor
  /// Batch norm's running statistics and their kin.
  let buffers: ModuleBuffers
  /// Which of them this rank's optimizer updates.
  let slices: ParameterSlices
  let optimizer: any Optimizer
  var state: CheckpointState
  var deal: Deal
  var meter = Meter()
  /// The last step before those skipped in a row whose save was begun; -1: none.
  var savedBeforeSkips = -1
  /// Root's alone decide.
  let timeNeeds = TimeNeeds()
  var threadChoice = ThreadChoice()
  /// How fast the ranks compute beside each other.
  var pace = Pace()

  /// Whether sums go out while the backward pass still goes on, where they can. All ranks alike;
  /// changes no bit.
  public var overlaps = true
  /// Called after every step, with where its time went on this rank. (Of threads side by side the sum.)
  public var onStep: ((_ step: Int, _ times: StepTimes) -> Void)?

  /// What follows from the number of shards: who computes which samples, and how sums are made.
  struct Deal {
    let order: SampleOrder
    let workers: [ShardWorker]
    let reduction: TreeReduction
    /// nil where no layer sees the global batch.
    let synchronizer: ShardSynchronizer?
  }

  /// Loads data and state; nothing is trained yet.
  /// - Throws: Failure, the same on every rank; RankFailure; MPIError.
  public init(job: TrainingJob, options: RunOptions, communicator: Communicator) throws {
    self.job = job
    self.options = options
    self.communicator = communicator
    let console = Console(isQuiet: options.isQuiet, isRoot: communicator.isRoot)
    self.console = console
    threads = ShardThreads(count: options.threads)
    StopSignals.install()
    StopSignals.mayStopLoading = true
    defer { StopSignals.mayStopLoading = false }
    Progress.enter(.loading)

    do {
      // Its memory is free before the data are there.
      let template = job.makeModel()
      layout = ArenaLayout(of: template)
      parameterCount = template.parameterCount
      buffers = ModuleBuffers(of: template)
    }
    slices = try ParameterSlices(
      elementCount: layout.elementCount, isSharded: options.shardsOptimizer,
      communicator: communicator)
    parameters = slices.parameters
    optimizer = job.makeOptimizer(slices.own.count)

    var loaded: LoadedCheckpoint?
    (directory, loaded) = try communicator.agree(on: "opening the run directory") {
      try Trainer.openExisting(options, communicator: communicator, console: console)
    }
    // Root's alone, as are the checkpoints it goes into.
    let digest = communicator.isRoot ? SHA256.digest(of: job.recipeIdentity) : ""
    let found = try communicator.broadcast(state: loaded?.state)
    // Also at step 0, whose weights may have come from a file.
    let isResumed = found != nil
    state =
      found
      ?? CheckpointState(
        step: 0, epoch: 1, position: 0, seed: job.seed, shards: job.shardCount,
        recipeDigest: digest)
    communicator.step = state.step
    // The rest of a begun epoch keeps its shards; the next may be dealt anew.
    if state.position == 0 { state.dealAnew(over: job.shardCount, console) }
    deal = try Trainer.deal(
      state.shards, epoch: state.epoch, job: job, layout: layout, parameters: parameters,
      buffers: buffers, state: &state, communicator: communicator, console: console)
    // The parameters that the networks were made with, before the arena was given to them.
    BufferPool.shared.trim()
    if communicator.isRoot && deal.order.sampleCount < state.shards {
      console.warning(
        "\(deal.order.sampleCount) samples leave some of the \(state.shards) shards empty")
    }
    if evaluationInterval > 0 {
      // Damage is to be known now, and not after the first epoch.
      try communicator.agree(on: "reading the evaluation splits") {
        guard communicator.isRoot else { return }
        for split in job.data.evaluationSplits { try job.data.reader(split).verify() }
      }
    }

    job.initialize(deal.workers[0].replica.module)
    // No rank's initial values may come over what root reads from a file.
    if slices.isShared { try communicator.quietBarrier() }
    // Whole arenas, which root reads and each rank takes its slice of.
    let wholeStates = isResumed ? wholeOptimizerStates() : []
    try communicator.agree(on: "loading weights") {
      if let loaded {
        try loaded.verifyPosition(in: deal.order)
        try Checkpoint.restore(loaded.model, into: modelTensors, from: loaded.path)
        try Checkpoint.restore(
          loaded.optimizer, into: optimizerTensors(wholeStates), from: loaded.path)
      } else if communicator.isRoot, let file = options.initFile {
        try Checkpoint.restore(try Safetensors.read(file), into: modelTensors, from: file)
      }
    }
    if isResumed || options.initFile != nil { try communicator.broadcast(arenas: replicatedArenas) }
    for (whole, state) in zip(wholeStates, optimizer.state) where slices.isSharded {
      try slices.scatter(whole.arena, into: state.arena)
    }
    if communicator.isRoot && state.recipeDigest != digest {
      console.line("note: the recipe changed since step \(state.step): a new recipe from here")
      state.recipeDigest = digest
    }
    if isResumed { (savedStep, begunStep) = (state.step, state.step) }
    try communicator.agree(on: "making the run directory") {
      guard communicator.isRoot else { return }
      let directory =
        try directory ?? RunDirectory(opening: options.runDirectory, resume: options.resume)
      self.directory = directory
      try DurableFile.replace(directory.recipePath, with: job.recipeText, status: .cannotCreate)
    }
    try verifyReplicas()
  }

  /// The best evaluation so far, on root; elsewhere as far as the state was shared.
  public var best: CheckpointState.Best? { state.best }

  /// Arenas of state the optimizer keeps, each as long as the parameters.
  public var optimizerStateCount: Int { optimizer.state.count }

  /// How gradients are summed.
  public var reduction: TreeReduction { deal.reduction }

  var totalSteps: Int { job.epochs * deal.order.stepsPerEpoch }

  /// What every rank must hold alike.
  var replicatedArenas: [ReplicatedArena] {
    [
      ReplicatedArena("parameters", parameters, layout: layout),
      ReplicatedArena("buffers", buffers.values, layout: buffers.layout),
    ] + buffers.counters.map { ReplicatedArena($0.name, $0.tensor) }
      + (slices.isSharded ? [] : replicatedStates)
  }

  private var replicatedStates: [ReplicatedArena] {
    optimizer.state.map {
      ReplicatedArena("optimizer's \($0.name)", $0.arena, prefix: $0.name + ".", layout: layout)
    }
  }

  /// In epochs; 0: never.
  var evaluationInterval: Int { options.evalEvery ?? job.evaluationInterval }

  /// Trains until the job is done, `maxSteps` are made or a signal asks to stop; evaluates and saves
  /// on the way.
  /// - Throws: Failure, the same on every rank; RankFailure; MPIError.
  public func run() throws -> Outcome {
    let began = monotonicSeconds()
    defer { threads.end() }
    defer { endSaving() }
    let firstStep = state.step
    try announce()
    var outcome = Outcome.completed
    while state.epoch <= job.epochs {
      if let limit = options.maxSteps, state.step >= limit {
        outcome = .reachedMaxSteps
        break
      }
      if let stopping = job.earlyStopping, state.evaluationsSinceBest >= stopping.patience {
        outcome = .stoppedEarly
        break
      }
      if let interruption = try trainEpoch() {
        outcome = interruption
        if interruption != .reachedMaxSteps { break }
      }
    }
    if options.checkpointEvery != 0 { try saveLast() }
    try finish(
      outcome, isComplete: outcome == .completed && firstStep > 0 && state.step == firstStep,
      seconds: monotonicSeconds() - began)
    return outcome
  }

  /// The rest of the current epoch. nil when it was finished and nothing asked to stop.
  private func trainEpoch() throws -> Outcome? {
    try dealAnewIfAsked()
    let epoch = state.epoch
    meter.begin()
    var stop: Outcome?
    for batch in state.position / job.batchSize..<deal.order.stepsPerEpoch {
      stop = try step(batch: batch)
      try noteSaved()
      if state.step % 100 == 0 {
        try verifyReplicas()
        try comparePaces()
      }
      if let stop, state.position > 0 { return stop }
      let isAtLimit = options.maxSteps.map { state.step >= $0 } ?? false
      if state.position > 0 {
        if let every = options.checkpointEvery, every > 0, state.step % every == 0 { try save() }
        if isAtLimit { return .reachedMaxSteps }
      }
    }
    var isOver = false
    if evaluationInterval > 0 && (epoch % evaluationInterval == 0 || epoch == job.epochs) {
      Progress.enter(.evaluation)
      isOver = try timeNeeds.measureEvaluation { try evaluate(epoch: epoch) }
    }
    if let every = options.checkpointEvery {
      if every > 0 && state.step % every == 0 { try save() }
    } else if epoch % job.evaluationInterval == 0 {
      try save()
    }
    if isOver && state.epoch <= job.epochs { return .stoppedEarly }
    // A stop at an epoch's end waits for what belongs to the epoch: a resumed run begins the next.
    return state.epoch <= job.epochs ? stop : nil
  }

  func verifyReplicas() throws {
    try ReplicaCheck.verify(replicatedArenas, step: state.step, communicator: communicator)
  }

  private func dealAnewIfAsked() throws {
    guard state.position == 0, state.shards != job.shardCount else {
      for worker in deal.workers { worker.begin(epoch: state.epoch) }
      return
    }
    state.dealAnew(over: job.shardCount, console)
    deal = try Trainer.deal(
      job.shardCount, epoch: state.epoch, job: job, layout: layout, parameters: parameters,
      buffers: buffers, state: &state, communicator: communicator, console: console)
  }
}
