import ArgumentParser

/// `nndist bench`: figures of this machine, each beside its physical limit.
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
