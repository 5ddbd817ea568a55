import Communication
import DataParallel
import Datasets
import Layers
import System
import Tensors

/// Trains a job on all ranks, epoch by epoch.
///
///     let trainer = try Trainer(job, world: world, run: "runs/mine")
///     trainer.on(.evaluation) { print($0.evaluation!.loss) }
///     try trainer.run()
///
/// Root writes the run directory, with metrics and checkpoints.
///
/// Collective: every rank makes a Trainer with the same job, and calls the same methods in the same
/// order.
public final class Trainer {
  let job: TrainingJob
  let options: RunOptions
  let world: Communicator
  let step: DataParallelStep<any Module>
  var engine: StepEngine { step.engine }
  let recorder: RunRecorder
  var data: ShardedData
  var state: CheckpointState
  var meter = Meter()
  var hooks: [Hook] = []
  /// Whether a hook called `stop()`.
  var isStoppedByHook = false
  /// The counts of `job.metrics` over this epoch's training samples, by shard of this rank.
  var trainingCounts: [MetricCounts] = []
  /// Only root's values are used.
  let timeNeeds = TimeNeeds()
  var lastResult: StepResult?
  /// The last evaluation on the first held-out split. On root; on every rank if there are hooks.
  var lastEvaluation: EvaluationSummary?

  /// Whether the reduction of gradients overlaps the backward pass where possible. Must be the same
  /// on all ranks; changes no bit.
  package var overlaps: Bool {
    get { engine.overlaps }
    set { engine.overlaps = newValue }
  }
  /// Called after every step with the time of its phases on this rank.
  package var onStep: ((_ step: Int, _ times: StepTimes) -> Void)?

  /// Starts a new run in a directory, or resumes the run that it holds (`resume: .ifPresent`).
  ///
  /// Collective: every rank.
  /// - Throws: Failure, the same on every rank.
  public convenience init(
    _ job: TrainingJob, world: Communicator, run directory: String,
    resume: ResumePolicy = .never, output: RunOutput = .none
  ) throws {
    var options = RunOptions(runDirectory: directory)
    options.resume = resume
    options.output = output
    try self.init(job, options: options, world: world)
  }

  /// Loads data and state; `run` starts the training.
  ///
  /// Collective: every rank.
  /// - Throws: Failure, the same on every rank.
  public init(_ job: TrainingJob, options: RunOptions, world: Communicator) throws {
    self.job = job
    self.options = options
    self.world = world
    StopSignals.install()
    StopSignals.mayStopLoading = true
    defer { StopSignals.mayStopLoading = false }
    Progress.enter(.loading)
    try SettingsAgreement.check(job.settings.filter { $0.key != "data" }, world: world)

    let recorder = RunRecorder(options, world: world)
    self.recorder = recorder
    let loaded = try world.agree(on: "opening the run directory") { try recorder.openExisting() }
    let found = try world.broadcast(loaded?.state)
    // True also at step 0: its weights may have come from a file, so they are restored as well.
    let isResumed = found != nil
    let shards = job.shardCount ?? found?.shards ?? world.worldSize
    // Only root writes checkpoints, so only root needs the digest.
    let digest = world.isRoot ? SHA256.digest(of: job.identityText) : ""
    var state =
      found
      ?? CheckpointState(
        step: 0, epoch: 1, position: 0, seed: job.seed, shards: shards, recipeDigest: digest)
    world.step = state.step
    // The number of shards can change only at the start of an epoch.
    if state.position == 0 { Trainer.changeShards(of: &state, to: shards, recorder.console) }

    let engine = try StepEngine(
      world, shards: state.shards, model: job.makeModel, optimizer: job.optimizer,
      options: StepOptions(job, options))
    step = DataParallelStep(engine)
    engine.step = state.step
    engine.skippedInARow = state.skippedInARow
    data = try ShardedData(job, &state, world: world)
    try engine.prepare(for: data)
    if data.sampleCount < state.shards {
      recorder.console.warning(
        "\(data.sampleCount) samples leave some of the \(state.shards) shards empty")
    }
    self.state = state
    if evaluationInterval > 0 {
      // Report damaged files now, not after the first epoch.
      try world.agree(on: "reading the evaluation splits") {
        guard world.isRoot else { return }
        for split in job.data.evaluationSplits { try job.data.reader(split).verify() }
      }
    }
    try initialize(from: loaded, isResumed: isResumed)
    if world.isRoot && state.recipeDigest != digest {
      recorder.console.line(
        "note: the recipe changed since step \(state.step): a new recipe from here")
      self.state.recipeDigest = digest
    }
    try world.agree(on: "making the run directory") { try recorder.open(text: job.runText) }
    try engine.verifyReplicas()
  }

  private func initialize(from loaded: LoadedCheckpoint?, isResumed: Bool) throws {
    if let initialize = job.initialize {
      initialize(engine.module)
    } else {
      engine.module.initialize(seed: job.seed)
    }
    for module in engine.modules.dropFirst() { module.nameRandomLayers(seed: job.seed) }
    if isResumed {
      try engine.restore(hasOptimizerState: true) { model, optimizer in
        guard let loaded else { return }
        try loaded.verifyPosition(in: data.order)
        try Checkpoint.restore(loaded.model, into: model, from: loaded.path)
        try Checkpoint.restore(loaded.optimizer, into: optimizer, from: loaded.path)
      }
      recorder.note(resumedAt: state.step)
    } else if let file = options.initFile {
      try engine.restore(hasOptimizerState: false) { model, _ in
        try Checkpoint.restore(try Safetensors.read(file), into: model, from: file)
      }
    }
  }

  /// The best evaluation so far, on root.
  public var best: CheckpointState.Best? { state.best }
  public var parameterCount: Int { engine.parameterCount }
  /// The number of steps taken, over all launches of the run.
  public var stepCount: Int { state.step }
  /// The network; its parameters are the same on all ranks.
  public var model: any Module { step.model }

  /// The number of arenas in the optimizer's state, each as long as the parameters.
  package var optimizerStateCount: Int { engine.optimizer.state.count }
  /// How gradients are summed.
  package var reduction: TreeReduction { engine.reduction }

  var totalSteps: Int { job.epochs * data.stepsPerEpoch }
  /// Epochs between evaluations; 0: never.
  var evaluationInterval: Int { options.evalEvery ?? job.evaluationInterval }

  // MARK: - The loop over epochs

  /// Trains until the job is done, `maxSteps` steps are taken, or a stop is requested. Evaluates
  /// and saves checkpoints in between. If a signal or the time limit stops the run, the program's
  /// exit status is 75.
  /// - Throws: Failure, the same on every rank.
  @discardableResult
  public func run() throws -> Outcome {
    let start = monotonicSeconds()
    defer { engine.end() }
    defer { recorder.close() }
    defer { recorder.endSaving(timeNeeds) }
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
    try runHooks(.end, number: state.step)
    if case .stopped = outcome { world.exitStatus = Failure.Status.stopped.rawValue }
    try finish(
      outcome, isComplete: outcome == .completed && firstStep > 0 && state.step == firstStep,
      seconds: monotonicSeconds() - start)
    return outcome
  }

  /// Trains the rest of the current epoch. Returns the run's outcome if it should end; else nil.
  private func trainEpoch() throws -> Outcome? {
    try changeShardsIfRequested()
    let epoch = state.epoch
    meter.begin()
    trainingCounts = engine.modules.map { _ in MetricCounts() }
    var stop: Outcome?
    for index in state.position / job.batchSize..<data.stepsPerEpoch {
      stop = try takeStep(GlobalBatch(data: data, epoch: epoch, index: index))
      try recorder.noteSaved(timeNeeds)
      if let stop, state.position > 0 { return stop }
      let isAtLimit = options.maxSteps.map { state.step >= $0 } ?? false
      if state.position > 0 {
        if let every = options.checkpointEvery, every > 0, state.step % every == 0 { try save() }
        if isAtLimit { return .reachedMaxSteps }
      }
    }
    try logTrainingMetrics(epoch: epoch)
    var isOver = false
    if evaluationInterval > 0 && (epoch % evaluationInterval == 0 || epoch == job.epochs) {
      Progress.enter(.evaluation)
      isOver = try timeNeeds.measureEvaluation { try evaluate(epoch: epoch) }
    }
    try runHooks(.epoch, number: epoch)
    if let every = options.checkpointEvery {
      if every > 0 && state.step % every == 0 { try save() }
    } else if epoch % job.evaluationInterval == 0 {
      try save()
    }
    if isOver && state.epoch <= job.epochs { return .stoppedEarly }
    // A stop at the end of an epoch takes effect only after the epoch's evaluation and save,
    // because a resumed run starts with the next epoch.
    return state.epoch <= job.epochs ? stop ?? (isStoppedByHook ? .stoppedByHook : nil) : nil
  }

  private func changeShardsIfRequested() throws {
    guard state.position == 0, let count = job.shardCount, state.shards != count else { return }
    Trainer.changeShards(of: &state, to: count, recorder.console)
    try engine.setShards(count)
    data = try ShardedData(job, &state, world: world)
    try engine.prepare(for: data)
    for module in engine.modules { module.nameRandomLayers(seed: job.seed) }
  }

  private static func changeShards(
    of state: inout CheckpointState, to count: Int, _ console: Console
  ) {
    guard state.shards != count else { return }
    console.line(
      "note: from epoch \(state.epoch) on the samples are dealt over \(count) shards instead of "
        + "\(state.shards): a new recipe from here")
    state.shards = count
  }
}

extension StepOptions {
  fileprivate init(_ job: TrainingJob, _ options: RunOptions) {
    self.init()
    threads = options.threads
    clipNorm = job.clipNorm
    microBatchSize = job.microBatchSize
    shardsOptimizer = options.shardsOptimizer
    compressesGradients = job.compressesGradients
    seed = job.seed
    hasLeftoverGradient = job.hasLeftoverGradient
  }
}

extension ShardedData {
  /// Loads a job's training split, and stores its digest and standardization in `state`.
  fileprivate convenience init(
    _ job: TrainingJob, _ state: inout CheckpointState, world: Communicator
  ) throws {
    let known = DataFacts(digest: state.dataDigest, standardization: state.standardization)
    try self.init(
      job.data, world: world, shards: state.shards, batchSize: job.batchSize, seed: job.seed,
      shuffle: job.isShuffled, known: known, step: state.step)
    (state.dataDigest, state.standardization) = (facts.digest, facts.standardization)
  }
}
