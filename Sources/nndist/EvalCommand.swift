import ArgumentParser
import DataParallel
import Glibc
import Recipes
import TensorCore
import Training

/// `nndist eval RUN|CHECKPOINT`.
struct EvalCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Evaluate a run's latest checkpoint, or one checkpoint, on the test split.")

  @Argument(help: "A run directory, or a checkpoint in one.")
  var path: String

  @Option(help: "Folder of the data set's files. (default: the recipe's)")
  var data: String?

  @Option(help: "Threads. (default: all cores)")
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 {
      throw ValidationError("--threads \(threads) is not allowed; it must be 1 or more")
    }
  }

  func run(in session: Session) throws -> Int32 {
    // One rank's work: the others only wait.
    try session.agree(on: "evaluating") {
      guard session.isRoot else { return }
      let (run, checkpoint) = try EvalCommand.locate(path)
      var text = try RecipeText(try readText(run + "/recipe.yaml"), source: run + "/recipe.yaml")
      if let data { try text.set("data.path", toText: data) }
      var recipe = try text.recipe()
      recipe.shards = recipe.shards ?? 1
      let job = try recipe.job()
      let module = job.makeModel()
      let state = try Checkpoint.restore(checkpoint, into: module)
      let pool = ShardThreads(count: threads ?? Cores.usable.count)
      defer { pool.end() }
      var format = job.data.format
      format.standardize(state.standardization)
      let split = job.data.evaluationSplits.last!
      let result = try Evaluation.run(
        module, on: job.data.reader(split), job: job, format: format, threads: pool)
      print("\(checkpoint): \(recipe.name) after \(state.step) steps")
      if let confusion = result.confusion, let accuracy = result.accuracy {
        print(
          "\(split.rawValue) accuracy \(fixed(accuracy * 100, 2)) % (\(confusion.correct) of \(confusion.total))"
        )
      }
      print(
        "\(split.rawValue) loss     \(fixed(result.loss, 6)) a sample, \(fixed(result.lossBatchMean, 6)) as mean of batch means"
      )
    }
    return 0
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
      throw Failure(.inputMissing, "\(path) has no checkpoint yet")
    }
    return (path, latest)
  }
}
