import ArgumentParser
import Datasets
import System
import Tensors

/// The options that `eval`, `predict` and `similar` share.
struct TrainedRunOptions: ParsableArguments {
  @Argument(help: "A run directory, or a checkpoint in one.")
  var path: String

  @Option(help: "Folder or file of the data set. (default: the recipe's)")
  var data: String?

  @Option(help: "Which samples: train, validation or test. (default: those held out)")
  var split: Split?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Look at the network with another value of a recipe field; may be repeated. (default: none)",
      valueName: "key=value"))
  var settings: [String] = []

  @Option(help: "Threads. (default: all cores)")
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 {
      throw ValidationError("--threads \(threads) is not allowed; it must be 1 or more")
    }
  }

  func run() throws -> TrainedRun { try TrainedRun(path, data: data, settings: settings) }
  var threadCount: Int { threads ?? Cores.usable.count }
}

extension Split: ExpressibleByArgument {}
