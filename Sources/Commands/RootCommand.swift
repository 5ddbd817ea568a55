import ArgumentParser
import Benchmarks
import Communication

/// The root of the command line.
struct RootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: Program.name,
    abstract:
      "Trains neural networks data-parallel over MPI: the same bits on any number of ranks.",
    discussion: """
      \(Program.name)                     trains the recipe fashion-mnist on one rank
      mpirun -n 4 \(Program.name)         on four
      \(Program.name) train my.yaml       trains your own recipe
      \(Program.name) recipes             lists what comes with it
      \(Program.name) eval runs/NAME      accuracy, precision, recall, confusion matrix
      \(Program.name) predict runs/NAME   labels, probabilities, forecasts
      \(Program.name) bench reduce        times the reduction of gradients under mpirun
      \(Program.name) bench model         predicts a step on 2 to 4,096 ranks
      \(Program.name) doctor              tells what is installed, bound, slow or missing

      Exit status: 0 done, 64 usage or recipe, 65 bad data or checkpoint,
      66 input missing, 70 training went wrong, 73 run directory, 74 I/O,
      75 stopped (go on with --resume), 76 ranks disagree.
      """,
    version: "nndist \(version)",
    subcommands: [
      TrainCommand.self, RecipesCommand.self, EvalCommand.self, PredictCommand.self,
      SimilarCommand.self, BenchCommand.self, DoctorCommand.self,
    ],
    defaultSubcommand: TrainCommand.self)

  static let version = "0.1.0"
}
