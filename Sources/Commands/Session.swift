import ArgumentParser
import CSystem
import Communication
import Glibc
import System
import Training

/// One run of the program, from its arguments to its exit status, on one rank or many.
///
/// Whatever fails, exactly one line `nndist: error: ...` says so, and every rank ends with the same
/// status.
final class Session {
  private var communicator: Communicator?
  /// How long ranks wait for each other before they can even read their options; nil: for ever.
  private var startTimeout: Double?

  /// Whether a launcher started this process as one of its ranks.
  static var isUnderLauncher: Bool {
    nd_launcher_rank() >= 0
  }

  /// srun without MPI support starts tasks that each believe to be alone; so many there are of them.
  private static var scatteredTasks: Int {
    guard !isUnderLauncher, let tasks = getenv("SLURM_STEP_NUM_TASKS") else { return 1 }
    return Int(String(cString: tasks)) ?? 1
  }

  /// Whether this is the rank that speaks.
  var isRoot: Bool {
    if let communicator { return communicator.isRoot }
    guard Session.scatteredTasks > 1, let task = getenv("SLURM_PROCID") else { return true }
    return String(cString: task) == "0"
  }

  /// All ranks: of the launcher's job, or this process alone.
  func world() throws -> Communicator {
    if let communicator { return communicator }
    guard Session.scatteredTasks == 1 else {
      throw Failure(
        .usage, "srun started \(Session.scatteredTasks) tasks without MPI between them",
        remedy: "start them with `srun --mpi=pmix`, or with mpirun")
    }
    // Alone it talks to nobody: to look for fast networks takes Open MPI 0.2 s.
    let isAlone = !Session.isUnderLauncher && getenv("OMPI_MCA_pml") == nil
    if isAlone { setenv("OMPI_MCA_pml", "ob1", 0) }
    defer { if isAlone { unsetenv("OMPI_MCA_pml") } }
    let world = try Communicator.world(startTimeout: Session.isUnderLauncher ? startTimeout : nil)
    communicator = world
    try world.verifySameBuild()
    try world.openBoard()
    return world
  }

  /// Runs the command that `arguments` name.
  /// - Returns: the exit status.
  func run(_ arguments: [String]) -> Int32 {
    startTimeout = Session.startTimeout(arguments)
    do {
      // Under a launcher all ranks come together first: a rank that left before MPI_Init would hang
      // the others, and a bad option is then one message.
      if Session.isUnderLauncher { _ = try world() }
      let parsed = try agree(on: "reading the command line") { try Session.parse(arguments) }
      let status: Int32
      switch parsed {
      case .text(let text):
        say(text)
        status = 0
      case .command(let command):
        status = try command.run(in: self)
      }
      try communicator?.finalize()
      return status
    } catch let failure as Failure {
      // Thrown by all ranks alike.
      communicator?.silenceWatch()
      if isRoot { Session.complain(failure) }
      try? communicator?.finalize()
      communicator?.endWatch()
      return failure.status.rawValue
    } catch {
      return abort(error)
    }
  }

  func agree<T>(on phase: String, _ body: () throws -> T) throws -> T {
    guard let communicator else { return try body() }
    return try communicator.agree(on: phase, body)
  }

  /// Prints on root, at once: others write past the buffer.
  func say(_ text: String) {
    guard isRoot else { return }
    print(text)
    fflush(nil)
  }

  /// A failure that this rank alone knows of ends the job here and now.
  private func abort(_ error: any Error) -> Int32 {
    let failure = (error as? RankFailure)?.failure ?? Failure(error, during: "running")
    guard let communicator, communicator.worldSize > 1 else {
      Session.complain(failure)
      return failure.status.rawValue
    }
    communicator.silenceWatch()
    Session.complain(
      Failure(
        failure.status,
        "\(failure.message) (rank \(communicator.rank) of \(communicator.worldSize), "
          + "host \(communicator.hostName)"
          + (communicator.step > 0 ? ", step \(communicator.step))" : ")"), remedy: failure.remedy))
    communicator.abort(status: failure.status.rawValue)
  }

  /// What --stall-timeout says, as far as it can be known before the arguments are parsed.
  private static func startTimeout(_ arguments: [String]) -> Double? {
    let option = "--stall-timeout"
    let text =
      arguments.firstIndex(of: option).flatMap { arguments.dropFirst($0 + 1).first }
      ?? arguments.first { $0.hasPrefix(option + "=") }.map {
        String($0.dropFirst(option.count + 1))
      }
    let seconds = text.flatMap(Double.init) ?? TrainCommand.defaultStallTimeout
    return (1...1e9).contains(seconds) ? seconds : nil
  }

  private enum Parsed {
    case command(any SessionCommand)
    /// Help, the version, a completion script.
    case text(String)
  }

  private static func parse(_ arguments: [String]) throws -> Parsed {
    do {
      var command = try NNDist.parseAsRoot(arguments)
      if let command = command as? any SessionCommand { return .command(command) }
      // The parser's own commands, such as help, run by throwing what they say.
      try command.run()
      return .text("")
    } catch {
      let text = NNDist.fullMessage(for: error)
      if NNDist.exitCode(for: error) == .success { return .text(text) }
      throw Failure(
        .usage, NNDist.message(for: error).split(separator: "\n").joined(separator: " "),
        remedy: "nndist --help lists commands and options")
    }
  }

  static func complain(_ failure: Failure) {
    fflush(nil)
    let line = Array("nndist: error: \(failure)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
