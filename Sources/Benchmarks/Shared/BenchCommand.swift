import ArgumentParser

/// `nndist bench`: measurements of this machine, each with its physical limit.
package struct BenchCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "This machine's figures beside their physical limits.",
    subcommands: [
      BenchStepsCommand.self, BenchReduceCommand.self, BenchStepCommand.self,
      BenchOverlapCommand.self, BenchModelCommand.self, BenchGrowCommand.self,
    ], defaultSubcommand: BenchStepsCommand.self)

  package init() {}
}
