import ArgumentParser
import Benchmarks
import Communication
import Glibc
import System

/// Runs the command that the process's arguments name, and ends the process with its status.
///
/// In a library, so that a test's program can be the same with one addition.
package func runProgram() -> Never {
  RankSession.reserveStandardStreams()
  Warnings.handle(printWarning)
  exit(Program.run(Array(CommandLine.arguments.dropFirst())))
}

enum Program {
  /// - Returns: the exit status.
  static func run(_ arguments: [String]) -> Int32 {
    let session = RankSession(startTimeout: startTimeout(arguments))
    return session.run {
      switch try session.agree(on: "reading the command line", { try parse(arguments) }) {
      case .text(let text):
        session.say(text)
        return 0
      case .command(let command): return try command.run(in: session)
      }
    }
  }

  /// What --stall-timeout says, as far as it can be known before the arguments are parsed.
  private static func startTimeout(_ arguments: [String]) -> Double? {
    let option = "--stall-timeout"
    let text =
      arguments.firstIndex(of: option).flatMap { arguments.dropFirst($0 + 1).first }
      ?? arguments.first { $0.hasPrefix(option + "=") }.map {
        String($0.dropFirst(option.count + 1))
      }
    let seconds = text.flatMap(Double.init) ?? Distributed.defaultStallTimeout
    return (1...1e9).contains(seconds) ? seconds : nil
  }

  private enum Parsed {
    case command(any SessionCommand)
    /// Help, the version, a completion script.
    case text(String)
  }

  private static func parse(_ arguments: [String]) throws -> Parsed {
    do {
      var command = try RootCommand.parseAsRoot(arguments)
      if let command = command as? any SessionCommand { return .command(command) }
      // The parser's own commands, such as help, run by throwing their text.
      try command.run()
      return .text("")
    } catch {
      let text = RootCommand.fullMessage(for: error)
      if RootCommand.exitCode(for: error) == .success { return .text(text) }
      throw Failure(
        .usage, RootCommand.message(for: error).split(separator: "\n").joined(separator: " "),
        remedy: "nndist --help lists commands and options")
    }
  }
}
