import Communication
import DataParallel
import Datasets
import System
import Tensors

/// Records a run on root: its directory, metrics.jsonl, checkpoints and console output. On other
/// ranks it only takes part in collective operations.
final class RunRecorder {
  let console: Console
  private let options: RunOptions
  private let world: Communicator
  private var directory: RunDirectory?
  private var writer: CheckpointWriter?
  /// The last step whose checkpoint is written; -1 before the first. Valid on root; on other ranks
  /// only at the start and at the end.
  var savedStep = -1
  /// The last step whose save was started; -1 before the first.
  private(set) var begunStep = -1
  /// The last step whose save was started before the current row of skipped steps; -1 if none.
  private var stepBeforeSkips = -1

  /// The number of newest checkpoints to keep, besides the best.
  private static let keptCheckpoints = 3

  init(_ options: RunOptions, world: Communicator) {
    self.options = options
    self.world = world
    console = Console(options.output, isRoot: world.isRoot)
  }

  // MARK: - The directory

  /// Opens and locks the run directory if it holds a run, and loads its newest checkpoint that is
  /// not damaged. Returns nil on other ranks, and for a new run.
  func openExisting() throws -> LoadedCheckpoint? {
    guard world.isRoot else { return nil }
    let resume = options.resume == .ifPresent
    try RunDirectory.check(options.runDirectory, resume: resume)
    guard RunDirectory.holdsRun(options.runDirectory) else { return nil }
    let directory = try RunDirectory(opening: options.runDirectory, resume: resume)
    self.directory = directory
    let loaded = try Checkpoint.newest(in: directory.checkpointsPath) { name, failure in
      console.warning("passed over \(name): \(failure.message)")
    }
    // A crash may have happened after the checkpoint was written, but before its links were.
    if let loaded { try Checkpoint.pointLinks(to: loaded.state, in: directory.checkpointsPath) }
    return loaded
  }

  /// Creates the directory, unless it is already open, and writes recipe.yaml.
  func open(text: String) throws {
    guard world.isRoot else { return }
    let directory =
      try directory
      ?? RunDirectory(opening: options.runDirectory, resume: options.resume == .ifPresent)
    self.directory = directory
    try DurableFile.replace(directory.recipePath, with: text, status: .cannotCreate)
  }

  func note(resumedAt step: Int) { (savedStep, begunStep) = (step, step) }

  // MARK: - metrics.jsonl

  /// Appends to metrics.jsonl. For use outside `world.agree`: an error is thrown as a RankFailure.
  /// - Throws: RankFailure.
  func log(_ line: JSONLine) throws {
    do {
      try directory?.append(line)
    } catch let failure as Failure {
      throw RankFailure(failure: failure)
    }
  }

  /// Writes the lines that are pending because the disk was full.
  /// - Throws: RankFailure.
  func flush() throws {
    do {
      try directory?.flush()
    } catch let failure as Failure {
      throw RankFailure(failure: failure)
    }
  }

  func log(
    _ result: Evaluation, split: Split, epoch: Int, epochs: Int, step: Int
  ) throws {
    var line = JSONLine(event: "eval")
    line.add("epoch", epoch)
    line.add("step", step)
    line.add("split", split.rawValue)
    line.add("loss", result.loss)
    line.add("loss_batch_mean", result.lossBatchMean)
    var text = ""
    if let confusion = result.confusion, let accuracy = result.accuracy {
      line.add("accuracy", accuracy)
      line.add("correct", confusion.correct)
      line.add("count", confusion.total)
      text =
        " accuracy \(fixed(accuracy * 100, 2)) % (\(confusion.correct) of \(confusion.total)),"
    } else {
      line.add("count", result.count)
    }
    for (name, value) in result.metrics { line.add(name, value) }
    try directory?.append(line)
    console.line(
      "Epoch \(epoch)/\(epochs): \(split.rawValue)\(text) loss \(fixed(result.loss, 6)), step "
        + "\(step)"
        + result.metrics.map { ", \($0.name) \(fixed($0.value, 6))" }.joined())
  }

  // MARK: - Checkpoints

  /// Starts to save a checkpoint, after the previous save is done.
  ///
  /// Collective: every rank.
  /// - Parameter waits: whether to wait until the checkpoint is written, and to throw if that
  ///   fails.
  func save(
    _ engine: StepEngine, _ state: CheckpointState, waits: Bool, _ needs: TimeNeeds
  ) throws {
    try engine.verifyReplicas()
    let optimizer = try engine.gatheredOptimizerTensors()
    try world.agree(on: "saving a checkpoint") {
      try FaultPoint.visit("save", rank: world.rank, step: state.step)
      guard let directory, let optimizer else { return }
      let writer =
        writer ?? CheckpointWriter(directory: directory, keptCount: RunRecorder.keptCheckpoints)
      self.writer = writer
      try noteOutcome(needs)
      // `begin` fails if a value is not finite: such a checkpoint would be useless for recovery.
      try writer.begin(model: engine.modelTensors, optimizer: optimizer, state: state)
      guard waits, let outcome = writer.takeOutcome() else { return }
      let saved = try outcome.result.get()
      try note(saved, step: outcome.step)
      if let failure = saved.linkFailure { throw failure }
    }
    begunStep = state.step
  }

  /// Waits for the current save. If `state` is saved already, updates the links to it.
  /// - Returns: the last saved step.
  func waitForSave(of state: CheckpointState, _ needs: TimeNeeds) throws -> Int {
    try noteOutcome(needs)
    if savedStep == state.step, let directory {
      try Checkpoint.pointLinks(to: state, in: directory.checkpointsPath)
    }
    return savedStep
  }

  /// Records the outcome of a finished save, if there is one. Does not wait.
  /// - Throws: RankFailure.
  func noteSaved(_ needs: TimeNeeds) throws {
    guard writer?.hasOutcome == true else { return }
    do {
      try noteOutcome(needs)
    } catch let failure as Failure {
      throw RankFailure(failure: failure)
    }
  }

  /// Waits for the current save, if there is one, before the run ends for any reason.
  func endSaving(_ needs: TimeNeeds) {
    do {
      try noteOutcome(needs)
      try directory?.flush()
    } catch {
      // Only warn: an error that ends the run is more important than this one.
      console.warning("\(Failure(error, during: "ending a run"))")
    }
  }

  /// Gives the run directory back to other runs.
  func close() { (writer, directory) = (nil, nil) }

  private func noteOutcome(_ needs: TimeNeeds) throws {
    guard let outcome = writer?.takeOutcome() else { return }
    needs.noteSave(outcome.seconds)
    switch outcome.result {
    case .success(let saved):
      try note(saved, step: outcome.step)
      if let failure = saved.linkFailure {
        console.warning("\(failure.message); this is tried again at the next save")
      }
    case .failure(let failure):
      let last = savedStep >= 0 ? "; step \(savedStep) is the last that is saved" : ""
      console.warning(
        "step \(outcome.step) was not saved: \(failure.message); this is tried again at the next "
          + "interval\(last)")
    }
  }

  private func note(_ saved: Checkpoint.Saved, step: Int) throws {
    savedStep = step
    for warning in saved.warnings { console.warning(warning) }
    var line = JSONLine(event: "checkpoint")
    line.add("step", step)
    line.add("path", saved.path)
    try directory?.append(line)
  }

  // MARK: - Skipped steps

  func noteFirstSkip() { stepBeforeSkips = begunStep }

  /// The end of a remedy: the checkpoint from before the skipped steps, if there is one. Empty on
  /// other ranks; only root prints.
  var savedBeforeSkips: String {
    guard stepBeforeSkips > 0, let directory,
      Checkpoint.names(in: directory.checkpointsPath)
        .contains(Checkpoint.name(step: stepBeforeSkips))
    else { return "" }
    return "; step \(stepBeforeSkips) is saved, from before it"
  }
}
