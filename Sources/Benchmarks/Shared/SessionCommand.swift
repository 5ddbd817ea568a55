import ArgumentParser
import Communication

/// A command that runs on all ranks of its job.
package protocol SessionCommand: ParsableCommand {
  /// Called on every rank.
  /// - Returns: the exit status.
  func run(in session: RankSession) throws -> Int32
}
