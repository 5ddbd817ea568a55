import ArgumentParser
import Benchmarks
import Communication
import DataParallel
import Datasets
import System
import Training

/// `nndist eval RUN|CHECKPOINT`.
struct EvalCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Evaluate a run's latest checkpoint, or one checkpoint.",
    discussion: """
      Prints the loss; where there are classes also the accuracy with its standard error, \
      precision and recall of each class, and the confusion matrix.
      """)

  @OptionGroup var options: TrainedRunOptions

  func run(in session: RankSession) throws -> Int32 {
    // Only root evaluates; the other ranks wait.
    try session.agree(on: "evaluating") {
      guard session.isRoot else { return }
      let run = try options.run()
      let split = run.split(options.split)
      let threads = ShardThreads(count: options.threadCount)
      defer { threads.end() }
      let reader = try run.job.data.reader(split)
      let result = try Evaluation.run(
        run.module, on: reader, job: run.job, format: run.format, threads: threads)
      print("\(run.checkpointPath): \(run.recipe.name) after \(counted(run.state.step, "step"))")
      print(EvalCommand.text(result, split: split, classNames: run.classNames(reader)))
    }
    return 0
  }

  private static func text(_ result: Evaluation, split: Split, classNames: [String]) -> String {
    var lines = [
      "\(split.rawValue) loss     \(fixed(result.loss, 6)) a sample, "
        + "\(fixed(result.lossBatchMean, 6)) as mean of batch means"
    ]
    guard let confusion = result.confusion, let accuracy = result.accuracy,
      let error = result.standardError
    else { return lines[0] }
    lines.insert(
      "\(split.rawValue) accuracy \(fixed(accuracy * 100, 2)) % (\(confusion.correct) of "
        + "\(confusion.total)), standard error \(fixed(error * 100, 2)) points", at: 0)

    func percent(_ part: Double?) -> String { part.map { fixed($0 * 100, 1) + " %" } ?? "none" }
    var classes = Columns(["class", "precision", "recall"], isText: [true, false, false])
    for (c, name) in classNames.enumerated() {
      classes.add([name, percent(confusion.precision(c)), percent(confusion.recall(c))])
    }
    var matrix = Columns(["actual \\ predicted"] + classNames, isText: [true])
    for (c, name) in classNames.enumerated() {
      matrix.add([name] + classNames.indices.map { "\(confusion[actual: c, predicted: $0])" })
    }
    return (lines + ["", classes.text, "", matrix.text]).joined(separator: "\n")
  }
}
