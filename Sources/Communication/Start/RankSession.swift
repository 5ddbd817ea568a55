import CSystem
import Glibc
import System

/// One process of a job, from its start to its exit status.
///
/// Whatever fails, exactly one line `nndist: error: ...` says so, and every rank ends with the same status.
package final class RankSession {
  private var communicator: Communicator?
  /// Seconds that ranks wait for each other before the job's own limit is known; nil: for ever.
  private let startTimeout: Double?

  package init(startTimeout: Double?) { self.startTimeout = startTimeout }

  /// Whether a launcher started this process as one of its ranks.
  package static var isUnderLauncher: Bool { nd_launcher_rank() >= 0 }

  /// Fills closed standard streams: the number of a closed one would go to the next file opened, which would
  /// then get all that is printed.
  package static func reserveStandardStreams() {
    while true {
      let descriptor = open("/dev/null", O_RDWR)
      if descriptor > STDERR_FILENO { close(descriptor) }
      if descriptor < 0 || descriptor > STDERR_FILENO { break }
    }
  }

  /// The number of tasks that srun without MPI support started, each of which believes to be alone.
  private static var scatteredTasks: Int {
    guard !isUnderLauncher, let tasks = getenv("SLURM_STEP_NUM_TASKS") else { return 1 }
    return Int(String(cString: tasks)) ?? 1
  }

  /// Whether this is the rank that prints.
  package var isRoot: Bool {
    if let communicator { return communicator.isRoot }
    guard RankSession.scatteredTasks > 1, let task = getenv("SLURM_PROCID") else { return true }
    return String(cString: task) == "0"
  }

  /// All ranks: of the launcher's job, or this process alone.
  package func world() throws -> Communicator {
    if let communicator { return communicator }
    guard RankSession.scatteredTasks == 1 else {
      throw Failure(
        .usage, "srun started \(RankSession.scatteredTasks) tasks without MPI between them",
        remedy: "start them with `srun --mpi=pmix`, or with mpirun")
    }
    // A single process talks to nobody, and Open MPI takes 0.2 s to look for fast networks.
    let isAlone = !RankSession.isUnderLauncher && getenv("OMPI_MCA_pml") == nil
    if isAlone { setenv("OMPI_MCA_pml", "ob1", 0) }
    defer { if isAlone { unsetenv("OMPI_MCA_pml") } }
    let world = try Communicator.world(
      startTimeout: RankSession.isUnderLauncher ? startTimeout : nil)
    communicator = world
    try world.verifySameBuild()
    try world.openBoard()
    return world
  }

  /// Runs `body` on this rank, ends MPI, and turns what was thrown into a line of error and a status.
  /// - Parameter body: returns the exit status.
  /// - Returns: the exit status, the same on every rank.
  package func run(_ body: () throws -> Int32) -> Int32 {
    do {
      // Under a launcher all ranks come together first: a rank that left before MPI_Init would hang the others,
      // and an error that all of them have is then one message.
      if RankSession.isUnderLauncher { _ = try world() }
      let status = try body()
      try communicator?.finalize()
      return status
    } catch let failure as Failure {
      // Thrown by all ranks alike.
      communicator?.silenceWatch()
      if isRoot { RankSession.complain(failure) }
      try? communicator?.finalize()
      communicator?.endWatch()
      return failure.status.rawValue
    } catch {
      return abort(error)
    }
  }

  package func agree<T>(on phase: String, _ body: () throws -> T) throws -> T {
    guard let communicator else { return try body() }
    return try communicator.agree(on: phase, body)
  }

  /// Prints on root, at once: others write past the buffer.
  package func say(_ text: String) {
    guard isRoot else { return }
    print(text)
    fflush(nil)
  }

  /// A failure that this rank alone knows of ends the job here and now.
  private func abort(_ error: any Error) -> Int32 {
    let failure = (error as? RankFailure)?.failure ?? Failure(error, during: "running")
    guard let communicator, communicator.worldSize > 1 else {
      RankSession.complain(failure)
      return failure.status.rawValue
    }
    communicator.silenceWatch()
    RankSession.complain(
      Failure(
        failure.status,
        "\(failure.message) (rank \(communicator.rank) of \(communicator.worldSize), "
          + "host \(communicator.hostName)"
          + (communicator.step > 0 ? ", step \(communicator.step))" : ")"), remedy: failure.remedy))
    communicator.abort(status: failure.status.rawValue)
  }

  package static func complain(_ failure: Failure) {
    fflush(nil)
    let line = Array("nndist: error: \(failure)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
