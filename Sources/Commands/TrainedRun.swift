import Autograd
import Datasets
import Glibc
import Layers
import Recipes
import System
import Tensors
import Training

/// A run's network with the weights of a checkpoint, and the job that trained it. `eval`, `predict`
/// and `similar` start from it.
struct TrainedRun {
  let checkpointPath: String
  let recipe: Recipe
  let job: TrainingJob
  let module: any Module
  let state: CheckpointState
  /// The sample format of the training, with the training split's statistics.
  private(set) var format: SampleFormat

  /// - Parameters:
  ///   - path: a run directory, whose latest checkpoint is used, or a checkpoint in one.
  ///   - data: a folder or file of the data set, instead of the recipe's.
  ///   - settings: KEY=VALUE pairs that replace fields of the recipe.
  /// - Throws: Failure if there is no run or checkpoint, or if it is damaged.
  init(_ path: String, data: String?, settings: [String]) throws {
    let (run, checkpoint) = try TrainedRun.locate(path)
    let yaml = try readText(run + "/recipe.yaml")
    guard !yaml.hasPrefix(TrainingJob.programMark) else {
      throw Failure(
        .usage, "\(run) is the run of a program, whose network and data are no recipe",
        remedy: "evaluate it in that program")
    }
    var text = try RecipeText(yaml, source: run + "/recipe.yaml")
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

  /// Returns `wanted`, or by default the last of the job's evaluation splits.
  func split(_ wanted: Split?) -> Split { wanted ?? job.data.evaluationSplits.last! }

  /// Returns the names of the classes; numbers if the data set has no names.
  func classNames(_ reader: SplitReader) -> [String] {
    reader.classNames ?? (0..<job.accuracy(for: reader.targetType).classCount).map(String.init)
  }

  /// Whether the loss interprets the outputs as probabilities of classes.
  var hasProbabilities: Bool { job.loss.predictionKind != .values }

  /// Returns the probability of each class for each sample, as the loss interprets the outputs; or
  /// the outputs themselves, if it does not define probabilities.
  /// - outputs: [N, C], or [N, 1] from a binary classifier.
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

  /// Converts standardized outputs or targets back to the data's units.
  func inTargetUnits(_ tensor: Tensor) -> [Float] {
    var values = tensor.values(Float.self)
    format.targetStandardization?.undo(&values, count: values.count)
    return values
  }

  /// Returns a reader of the samples of the file `input`, which are not corrupted; or of a split,
  /// if `input` is nil.
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

  /// Returns the run directory and the checkpoint for `path`.
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
