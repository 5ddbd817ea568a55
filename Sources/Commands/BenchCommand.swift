import ArgumentParser

/// `nndist bench`: figures of this machine, each beside its physical limit.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "This machine's figures beside their physical limits.",
    subcommands: [
      BenchStepsCommand.self, BenchReduceCommand.self, BenchStepCommand.self,
      BenchOverlapCommand.self, BenchModelCommand.self, BenchGrowCommand.self,
    ], defaultSubcommand: BenchStepsCommand.self)
}
