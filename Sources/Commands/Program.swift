import ArgumentParser
import Benchmarks
import CSystem
import Communication
import Glibc
import Recipes
import System

/// The nndist command line, extended with a program's own networks, losses and data sets. In a
/// package's main.swift:
///
///     import NNDist
///
///     try NNDistProgram.main(
///       models: ["Net": { options in Net(width: try options.int("width", default: 64)) }])
///
/// The program has all of nndist's commands. In its recipes,
/// `model: {architecture: Net, width: 32}` makes a Net. The keys and values of the options are
/// checked strictly.
public enum NNDistProgram {
  /// Runs the command given by the process's arguments, on all ranks, and **ends the process** with
  /// its status.
  /// - Parameters:
  ///   - models: functions that make a network from a recipe's options, by their name in
  ///     `model.architecture`.
  ///   - losses: the same for losses, by their name in `loss.kind`.
  ///   - datasets: the same for data sets, by their name in `data.dataset`.
  /// - Throws: nothing; a name that recipes have already ends the process with 64.
  public static func main(
    models: [String: ModelMaker] = [:], losses: [String: LossMaker] = [:],
    datasets: [String: DataMaker] = [:]
  ) throws -> Never {
    do {
      try OwnKinds.register(models: models, losses: losses, datasets: datasets)
    } catch let failure as Failure {
      RankSession.exit(failure)
    }
    if let path = CommandLine.arguments.first, let name = path.split(separator: "/").last {
      Program.name = String(name)
    }
    runProgram()
  }
}

/// Runs nndist's command line, and ends the process with its status.
///
/// It is in a library, so that a test program can run the same command line with an addition.
package func runProgram() -> Never {
  nd_set_out_of_memory_handler(nd_exit_out_of_memory)
  RankSession.reserveStandardStreams()
  Warnings.handle(printWarning)
  exit(Program.run(Array(CommandLine.arguments.dropFirst())))
}

enum Program {
  /// The name of the program: nndist, or the executable's name if the program registers its own
  /// kinds. Written once, before anything runs.
  nonisolated(unsafe) static var name = "nndist"

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

  /// Reads --stall-timeout from the arguments before they are parsed; nil if it is not a valid
  /// number of seconds.
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
        remedy: "\(name) --help lists commands and options")
    }
  }
}
