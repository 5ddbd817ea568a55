import CSystem
import Glibc
import System

/// One process of a job, from its start to its exit status.
///
/// If anything fails, the job prints exactly one line `nndist: error: ...`, and every rank ends
/// with the same status.
package final class RankSession {
  private var communicator: Communicator?
  /// Seconds that ranks wait for each other before the job's own limit is known; nil: no limit.
  private let startTimeout: Double?

  package init(startTimeout: Double?) { self.startTimeout = startTimeout }

  /// Whether a launcher started this process as one of its ranks.
  package static var isUnderLauncher: Bool { nd_launcher_rank() >= 0 }

  /// Opens standard streams that are closed. Otherwise the next file that is opened would get the
  /// number of a closed stream, and then all that is printed.
  package static func reserveStandardStreams() {
    while true {
      let descriptor = open("/dev/null", O_RDWR)
      if descriptor > STDERR_FILENO { close(descriptor) }
      if descriptor < 0 || descriptor > STDERR_FILENO { break }
    }
  }

  /// The number of tasks if srun started them without MPI support, so that each sees only itself;
  /// else 1.
  private static var scatteredTasks: Int {
    guard !isUnderLauncher, let tasks = getenv("SLURM_STEP_NUM_TASKS") else { return 1 }
    return Int(String(cString: tasks)) ?? 1
  }

  /// Whether this is the rank that prints; known before MPI starts.
  package var isRoot: Bool {
    if let communicator { return communicator.isRoot }
    guard RankSession.scatteredTasks > 1, let task = getenv("SLURM_PROCID") else { return true }
    return String(cString: task) == "0"
  }

  /// The ranks of the launcher's job, or this process alone. The first call starts MPI.
  package func world() throws -> Communicator {
    if let communicator { return communicator }
    guard RankSession.scatteredTasks == 1 else {
      throw Failure(
        .usage, "srun started \(RankSession.scatteredTasks) tasks without MPI between them",
        remedy: "start them with `srun --mpi=pmix`, or with mpirun")
    }
    // A single process needs no network, and Open MPI takes 0.2 s to search for fast ones.
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

  /// Runs `body` on this rank, ends MPI, and turns a thrown error into an error line and a status.
  /// - Parameter body: returns the exit status.
  /// - Returns: the exit status, the same on every rank.
  package func run(_ body: () throws -> Int32) -> Int32 {
    do {
      // Under a launcher, all ranks start MPI first: a rank that ended before MPI_Init would make
      // the others hang, and an error that all ranks have is then one message.
      if RankSession.isUnderLauncher { _ = try world() }
      let status = try body()
      try communicator?.finalize()
      return status
    } catch let failure as Failure {
      // All ranks threw it.
      communicator?.silenceWatch()
      if isRoot { RankSession.complain(failure) }
      try? communicator?.finalize()
      communicator?.endWatch()
      return failure.status.rawValue
    } catch is PeerFailure {
      // The other rank prints its error and aborts the job; this is for a launcher that does not end all ranks.
      communicator?.silenceWatch()
      sleep(10)
      return Failure.Status.trainingFailed.rawValue
    } catch {
      return abort(error)
    }
  }

  /// Ends the process for a failure that all ranks have alike, where there is no session: root prints it.
  package static func exit(_ failure: Failure) -> Never {
    if nd_launcher_rank() <= 0 { complain(failure) }
    Glibc.exit(failure.status.rawValue)
  }

  package func agree<T>(on phase: String, _ body: () throws -> T) throws -> T {
    guard let communicator else { return try body() }
    return try communicator.agree(on: phase, body)
  }

  /// Prints a line on root, and flushes the buffer, because other code writes without it.
  package func say(_ text: String) {
    guard isRoot else { return }
    print(text)
    fflush(nil)
  }

  /// Ends the job at once, for a failure that only this rank knows of.
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

  /// Prints the error line.
  package static func complain(_ failure: Failure) {
    fflush(nil)
    let line = Array("nndist: error: \(failure)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
