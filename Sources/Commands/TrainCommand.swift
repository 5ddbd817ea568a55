import ArgumentParser
import Benchmarks
import Communication
import Foundation
import Recipes
import System
import Training

/// `nndist train`, also the default of `nndist` without a command.
struct TrainCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a recipe. The default command.")

  @Argument(help: "A built-in recipe, or a YAML file. (default: fashion-mnist)")
  var recipe: String?

  @Option(help: "Folder or file of the data set. (default: the recipe's)")
  var data: String?

  @Option(name: .customLong("run"), help: "Run directory. (default: runs/RECIPE-DATE-TIME)")
  var runDirectory: String?

  @Flag(
    help:
      "Go on with the run in the run directory; without --run, with the newest of this recipe. (default: a new run)"
  )
  var resume = false

  @Option(
    name: .customLong("init"), help: "Initial weights, a .safetensors file. (default: by seed)")
  var initFile: String?

  @Option(help: "Passes over the training set. (default: the recipe's)")
  var epochs: Int?

  @Option(help: "Stop after this many steps in all. (default: no limit)")
  var maxSteps: Int?

  @Option(help: "Samples in a global batch, over all ranks. (default: the recipe's)")
  var batchSize: Int?

  @Option(
    help:
      "The most samples of a shard's part of a batch that are computed at once: less memory, other bits. (default: the recipe's)"
  )
  var microBatch: Int?

  @Option(
    help:
      "Round gradients to bfloat16, which halves what hosts send: none or bf16. (default: the recipe's)"
  )
  var compress: String?

  @Option(
    help:
      "What Linear layers and convolutions round their operands to: float32 or bf16. (default: the recipe's)"
  )
  var precision: String?

  @Option(help: "Learning rate. (default: the recipe's)")
  var lr: Double?

  @Option(help: "Seed of weights and order. (default: the recipe's)")
  var seed: UInt64?

  @Option(
    help: "Logical shards; at least as many as ranks. (default: the ranks of the first launch)")
  var shards: Int?

  @Flag(help: "Take the samples in file order. (default: the recipe's)")
  var noShuffle = false

  @Option(help: "Threads of each rank. (default: its cores)")
  var threads: Int?

  @Flag(
    help:
      "Shard the optimizer's state over the ranks, each of which updates its slice of the parameters (ZeRO-1): less memory, the same bits. (default: replicated)"
  )
  var zero = false

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Set any field of the recipe by its dotted path, as optimizer.lr=0.01; may be repeated. (default: none)",
      valueName: "key=value"))
  var settings: [String] = []

  @Option(help: "Steps between step lines in metrics.jsonl; 0: none.")
  var logEvery = 100

  @Option(help: "Epochs between evaluations; 0: none. (default: the recipe's)")
  var evalEvery: Int?

  @Option(
    help:
      "Steps between checkpoints; 0: none. (default: as many epochs as the recipe's evaluations)")
  var checkpointEvery: Int?

  @Option(
    help:
      "Cross-validation: train so many times, each with another part of the training samples held out, in RUN/fold-1, ... (default: one run)"
  )
  var folds: Int?

  @Option(
    help: ArgumentHelp(
      "Save and stop with status 75 before this time is over: seconds, MM:SS, HH:MM:SS or D-HH:MM:SS. (default: the end of the Slurm job, where it is known)",
      valueName: "time"))
  var timeLimit: String?

  @Option(
    help: ArgumentHelp(
      "End the job with status 75, and name the rank that is stopped or stuck, when no rank has made progress for so long; 0: never.",
      valueName: "seconds"))
  var stallTimeout = Distributed.defaultStallTimeout

  @Flag(help: "Print nothing but errors. (default: progress)")
  var quiet = false

  func validate() throws {
    func check(_ option: String, _ value: Int?, atLeast minimum: Int) throws {
      if let value, value < minimum {
        throw ValidationError("\(option) \(value) is not allowed; it must be \(minimum) or more")
      }
    }
    try check("--threads", threads, atLeast: 1)
    try check("--max-steps", maxSteps, atLeast: 0)
    try check("--log-every", logEvery, atLeast: 0)
    try check("--eval-every", evalEvery, atLeast: 0)
    try check("--checkpoint-every", checkpointEvery, atLeast: 0)
    try check("--batch-size", batchSize, atLeast: 1)
    try check("--micro-batch", microBatch, atLeast: 1)
    try check("--epochs", epochs, atLeast: 0)
    try check("--shards", shards, atLeast: 1)
    try check("--folds", folds, atLeast: 2)
    for (option, value) in [("--run", runDirectory), ("--data", data), ("--init", initFile)]
    where value?.isEmpty ?? false {
      throw ValidationError("\(option) has an empty value; name a path")
    }
    if folds != nil && resume && recipe == nil {
      throw ValidationError(
        "--folds with --resume needs the recipe, for the folds that were not begun; name it again")
    }
    if let timeLimit, TimeLimit.seconds(timeLimit) == nil {
      throw ValidationError(
        "--time-limit \(timeLimit) is not a time; write seconds, MM:SS, HH:MM:SS or D-HH:MM:SS")
    }
    guard stallTimeout == 0 || (1...1e9).contains(stallTimeout) else {
      throw ValidationError(
        "--stall-timeout \(stallTimeout) is not allowed; it must be 1 or more, or 0 for never")
    }
    for setting in settings where !setting.contains("=") {
      throw ValidationError("--set \(setting) has no value; write --set KEY=VALUE")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    let world = try session.world()
    world.watch(stallTimeout: stallTimeout)
    let limit = timeLimit.flatMap(TimeLimit.seconds).map(TimeLimit.init) ?? TimeLimit.slurm()
    try SettingsAgreement.check(optionsOfAllRanks, world: world)
    guard let folds else { return try train(Fold(), limit, session, world).status }
    let directory = try world.broadcast(chosenDirectory(recipe: try recipeName(world)))
    var scores: [CheckpointState.Best] = []
    for number in 1...folds {
      let fold = Fold(
        directory: directory + "/fold-\(number)",
        settings: ["data.split.folds=\(folds)", "data.split.fold=\(number)"])
      if !quiet { session.say("fold \(number) of \(folds)") }
      let (status, best) = try train(fold, limit, session, world)
      if status != 0 { return status }
      if let best { scores.append(best) }
    }
    session.say(TrainCommand.summary(scores))
    return 0
  }

  /// One run of a cross-validation; with the default values, a plain run.
  private struct Fold {
    /// The fold's own run directory.
    var directory: String?
    var settings: [String] = []
  }

  /// - Returns: the exit status, and the best evaluation of the run.
  private func train(
    _ fold: Fold, _ limit: TimeLimit?, _ session: RankSession, _ world: Communicator
  ) throws -> (status: Int32, best: CheckpointState.Best?) {
    let plan = try plan(world, fold)
    let job = plan.recipe.job()
    try SettingsAgreement.check(plan.recipe.identityValues, world: world)

    var options = RunOptions(runDirectory: plan.directory)
    options.resume = resume ? .ifPresent : .never
    options.initFile = initFile
    options.maxSteps = maxSteps
    options.threads = threads
    options.logEvery = logEvery
    options.evalEvery = evalEvery
    options.checkpointEvery = checkpointEvery
    options.output = quiet ? .warnings : .progress
    options.shardsOptimizer = zero
    options.timeLimit = limit
    let trainer = try Trainer(job, options: options, world: world)
    let outcome = try trainer.run()
    guard case .stopped(let reason) = outcome else { return (0, trainer.best) }
    let advice =
      checkpointEvery == 0
      ? "nothing was saved, as --checkpoint-every 0 asks"
      : "go on with: nndist \(resumeArguments(plan.directory))"
    if session.isRoot {
      FileHandle.standardError.write(Data("nndist: stopped by \(reason); \(advice)\n".utf8))
    }
    return (Failure.Status.stopped.rawValue, nil)
  }

  /// Returns the arguments that resume the run in `directory`, or all folds of its
  /// cross-validation.
  private func resumeArguments(_ directory: String) -> String {
    guard let folds else { return "--resume --run \(directory)" }
    let all = directory.prefix(upTo: directory.lastIndex(of: "/")!)
    return "\(recipe ?? BuiltInRecipe.all[0].name) --folds \(folds) --resume --run \(all)"
  }

  /// Returns a line with the mean and the standard deviation over the folds.
  private static func summary(_ scores: [CheckpointState.Best]) -> String {
    guard let metric = scores.first?.metric else {
      return "cross-validation: no fold was evaluated"
    }
    let values = scores.map(\.value)
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let deviation = (squares / Double(max(values.count - 1, 1))).squareRoot()
    let each = values.map { fixed($0, 4) }.joined(separator: ", ")
    return "cross-validation, \(values.count) folds: best validation \(metric) \(fixed(mean, 4)), "
      + "standard deviation \(fixed(deviation, 4)) (\(each))"
  }

  /// The options that must be the same on all ranks, because collective operations depend on them.
  private var optionsOfAllRanks: SettingsAgreement.Settings {
    let numbers = [
      ("--max-steps", maxSteps), ("--eval-every", evalEvery),
      ("--checkpoint-every", checkpointEvery), ("--folds", folds),
    ]
    return numbers.map { ($0, $1.map(String.init) ?? SettingsAgreement.notGiven) } + [
      ("--init", initFile == nil ? SettingsAgreement.notGiven : "given"),
      ("--zero", zero ? "given" : SettingsAgreement.notGiven),
    ]
  }

  /// The recipe to train, and the run directory.
  private struct Plan {
    var recipe: Recipe
    var directory: String
  }

  private func recipeName(_ world: Communicator) throws -> String {
    try world.agree(on: "reading the recipe") { try requestedText(Fold()).recipe().name }
  }

  private func plan(_ world: Communicator, _ fold: Fold) throws -> Plan {
    // `--resume` without a recipe uses the run's own recipe. The settings may not fit any other, so
    // none is read here.
    let requested = try world.agree(on: "reading the recipe") { () -> Recipe? in
      try self.recipe == nil && resume ? nil : requestedRecipe(fold)
    }
    // Only root needs access to the run directory.
    let found = try world.agree(on: "finding the run directory") { () -> [String] in
      guard world.isRoot else { return [] }
      let name = requested?.name ?? BuiltInRecipe.all[0].name
      let directory = fold.directory ?? chosenDirectory(recipe: name)
      try RunDirectory.check(directory, resume: resume)
      guard RunDirectory.holdsRun(directory) else { return [directory] }
      return [directory, try readText(directory + "/recipe.yaml")]
    }
    let answer = try world.broadcast(found)
    let directory = answer[0]
    guard answer.count == 2 else {
      var recipe = try world.agree(on: "reading the recipe") {
        try requested ?? requestedRecipe(fold)
      }
      recipe.shards = recipe.shards ?? world.worldSize
      return Plan(recipe: recipe, directory: directory)
    }
    let recipe = try world.agree(on: "reading the run's recipe") {
      try resumed(
        RecipeText(answer[1], source: directory + "/recipe.yaml"), requested: requested, directory,
        fold)
    }
    return Plan(recipe: recipe, directory: directory)
  }

  /// Returns the recipe of a resumed run: the requested recipe, or the stored one with the options
  /// of this launch.
  private func resumed(
    _ stored: RecipeText, requested: Recipe?, _ directory: String, _ fold: Fold
  ) throws -> Recipe {
    let before = try stored.recipe()
    var after = try requested ?? completed(overridden(stored, fold).recipe())
    after.shards = after.shards ?? before.shards
    if let key = before.firstFixedDifference(from: after) {
      throw Failure(
        .usage, "the run in \(directory) was made with another \(key): it cannot change on the way",
        remedy: "leave that option away, or start a new run with --run DIR")
    }
    return after
  }

  private func requestedRecipe(_ fold: Fold) throws -> Recipe {
    try completed(requestedText(fold).recipe())
  }

  private func requestedText(_ fold: Fold) throws -> RecipeText {
    try overridden(
      BuiltInRecipe.text(named: recipe ?? BuiltInRecipe.all[0].name) {
        try readText($0, invalid: .usage)
      }, fold)
  }

  /// Makes paths absolute, so that the recipe in the run directory can be used from any directory.
  private func completed(_ recipe: Recipe) -> Recipe {
    var recipe = recipe
    recipe.completePaths(from: FileManager.default.currentDirectoryPath)
    return recipe
  }

  private func overridden(_ text: RecipeText, _ fold: Fold) throws -> RecipeText {
    var text = text
    // The fold is the validation split, so the recipe's own validation share is set to 0, unless
    // the command line sets it.
    let before = fold.settings.isEmpty ? [] : ["data.split.validation=0"]
    try text.apply(settings: before + settings + fold.settings)
    func set(_ key: String, _ value: (some CustomStringConvertible)?) throws {
      if let value { try text.set(key, to: value.description) }
    }
    if let data { try text.setDataPath(data) }
    try set("epochs", epochs)
    try set("batch_size", batchSize)
    try set("micro_batch", microBatch)
    try set("compress", compress)
    try set("precision", precision)
    try set("optimizer.lr", lr)
    try set("seed", seed)
    try set("shards", shards)
    if noShuffle { try set("shuffle", false) }
    return text
  }

  private func chosenDirectory(recipe name: String) -> String {
    if let runDirectory { return runDirectory }
    if resume, let newest = TrainCommand.newestRun(of: name, in: folds == nil ? "" : "/fold-1") {
      return newest
    }
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyyMMdd-HHmmss"
    let path = "runs/\(name)-\(formatter.string(from: Date()))"
    // If two runs start in the same second, the second name gets a suffix.
    return (2...).lazy.map { $0 == 2 ? path : "\(path)-\($0 - 1)" }
      .first { !FileManager.default.fileExists(atPath: $0) } ?? path
  }

  /// - Parameter subpath: the path of the recipe's folder below the run's directory.
  private static func newestRun(of name: String, in subpath: String) -> String? {
    let runs = (try? FileManager.default.contentsOfDirectory(atPath: "runs")) ?? []
    return runs.filter { run in
      // Match NAME-DATE-TIME, but not a recipe whose name starts with the same text.
      let stamp = run.dropFirst(name.count)
      return run.hasPrefix(name + "-") && stamp.dropFirst().first?.isNumber == true
        && RunDirectory.holdsRun("runs/\(run)\(subpath)")
    }.max().map { "runs/\($0)" }
  }
}
