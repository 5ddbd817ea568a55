import Communication
import Foundation
import Recipes
import Training

/// Calls `body` with a trainer that only trains: it does not log, evaluate or save. Its run
/// directory is temporary and removed afterwards.
///
/// Collective: every rank.
/// - Parameter body: gets the trainer before its first step.
func withBenchRun<Result>(
  of recipe: Recipe, maxSteps: Int, threads: Int, shardsOptimizer: Bool = false,
  _ world: Communicator, _ body: (Trainer) throws -> Result
) throws -> Result {
  let folder = try world.agree(on: "making a folder for the run") { () -> String in
    guard world.isRoot else { return "" }
    return try FileManager.default.url(
      for: .itemReplacementDirectory, in: .userDomainMask,
      appropriateFor: FileManager.default.temporaryDirectory, create: true
    ).path
  }
  defer { if world.isRoot { try? FileManager.default.removeItem(atPath: folder) } }
  var options = RunOptions(runDirectory: folder + "/run")
  options.threads = threads
  options.shardsOptimizer = shardsOptimizer
  options.logEvery = 0
  options.evalEvery = 0
  options.checkpointEvery = 0
  options.maxSteps = maxSteps
  return try body(Trainer(recipe.job(), options: options, world: world))
}
