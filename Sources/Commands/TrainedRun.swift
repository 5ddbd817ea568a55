import Autograd
import Datasets
import Glibc
import Layers
import Recipes
import System
import Tensors
import Training

/// A run's network with a checkpoint's weights, and what it was trained on: what `eval`, `predict` and
/// `similar` begin with.
struct TrainedRun {
  let checkpointPath: String
  let recipe: Recipe
  let job: TrainingJob
  let module: any Module
  let state: CheckpointState
  /// As in training, with the statistics found there.
  private(set) var format: SampleFormat

  /// - Parameters:
  ///   - path: a run directory, whose latest checkpoint is taken, or a checkpoint in one.
  ///   - data: a folder to take the data from instead of the recipe's.
  ///   - settings: KEY=VALUE of recipe fields to look at the network with.
  /// - Throws: Failure where there is no run or checkpoint, or it is damaged.
  init(_ path: String, data: String?, settings: [String]) throws {
    let (run, checkpoint) = try TrainedRun.locate(path)
    var text = try RecipeText(try readText(run + "/recipe.yaml"), source: run + "/recipe.yaml")
    try text.apply(settings: settings)
    if let data { try text.setDataPath(data) }
    var recipe = try text.recipe()
    recipe.shards = recipe.shards ?? 1
    self.recipe = recipe
    checkpointPath = checkpoint
    job = recipe.job()
    module = job.makeModel()
    state = try Checkpoint.restore(checkpoint, into: module)
    var format = job.data.format
    format.standardize(state.standardization)
    self.format = format
  }

  /// The split asked for; else the one that is held out, or what the run trained on.
  func split(_ wanted: Split?) -> Split { wanted ?? job.data.evaluationSplits.last! }

  /// What the classes are called.
  func classNames(_ reader: SplitReader) -> [String] {
    reader.classNames ?? (0..<job.accuracy(for: reader.targetType).classCount).map(String.init)
  }

  /// Whether the loss makes of the outputs probabilities of classes.
  var hasProbabilities: Bool { job.loss.predictionKind != .values }

  /// For each sample the probability of each class, or its output, as the loss reads the outputs.
  /// - outputs: [N, C], or [N, 1] of a binary classifier.
  func probabilities(_ outputs: Tensor) -> [[Float]] {
    let read = job.loss.predictionKind.probabilities(outputs) ?? outputs
    let values = read.values(Float.self)
    let width = outputs.elementCount / max(outputs.shape[0], 1)
    let isBinary = width == 1
    return (0..<outputs.shape[0]).map { (row: Int) -> [Float] in
      let own = Array(values[row * width..<(row + 1) * width])
      return isBinary ? [1 - own[0], own[0]] : own
    }
  }

  /// Outputs or targets in the data's own units.
  func inTargetUnits(_ tensor: Tensor) -> [Float] {
    var values = tensor.values(Float.self)
    format.targetStandardization?.undo(&values, count: values.count)
    return values
  }

  /// The samples to look at: a file's, as they are, or those of a split.
  mutating func reader(input: String?, split wanted: Split?) throws -> SplitReader {
    guard let input else { return try job.data.reader(split(wanted)) }
    let known = try job.data.open(.train)
    let arguments = recipe.data.arguments
    let table = known as? CSVReader
    let file = try InputFile.read(
      input, array: recipe.data.dataset == "npy" ? arguments.text("inputs") : "x",
      hasHeader: table != nil && !arguments.flag("header") ? false : nil,
      separator: table == nil ? "," : arguments.text("separator"), columns: table?.inputColumns)
    format.corruption = 0
    return try SplitReader(
      InputSource(
        file, path: input, shape: known.inputShape, targetType: known.targetType,
        classNames: known.classNames))
  }

  /// The run directory and the checkpoint that `path` names.
  private static func locate(_ path: String) throws -> (run: String, checkpoint: String) {
    if access(path + "/state.json", F_OK) == 0 { return (path + "/../..", path) }
    guard RunDirectory.holdsRun(path) else {
      throw Failure(
        .inputMissing, "\(path) is neither a run directory nor a checkpoint",
        remedy: "name a folder with recipe.yaml, or one under its checkpoints/")
    }
    let latest = path + "/checkpoints/latest"
    guard access(latest + "/state.json", F_OK) == 0 else {
      throw Failure(
        .inputMissing, "\(path) has no checkpoint yet",
        remedy: "train it: nndist --resume --run \(path)")
    }
    return (path, latest)
  }
}
