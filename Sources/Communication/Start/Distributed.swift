import CSystem
import Glibc
import Synchronization
import System

/// The start and the end of a program that trains on several ranks.
public enum Distributed {
  private static let hasRun = Atomic(false)

  /// Seconds without progress after which a job ends: longer than any part of a step takes, and
  /// short enough to waste little of a reservation.
  public static let defaultStallTimeout = 300.0

  /// Runs `body` on every rank that the launcher started, or on this process alone without a
  /// launcher, and returns its value:
  ///
  ///     try Distributed.run { world in
  ///       print("rank \(world.rank) of \(world.worldSize)")
  ///     }
  ///
  /// **Ends the process** if `body` fails. The exit status is the same on every rank, and root
  /// prints one line, `nndist: error: ...`. A Failure's status is the exit status (64 ... 76); for
  /// any other error it is 70. The process also ends with 75 if a training run in `body` was
  /// stopped on request or the ranks make no progress for `stallTimeout`, and with 70 if the system
  /// refuses memory.
  ///
  /// - Parameters:
  ///   - stallTimeout: ends the job if its ranks make no progress for this many seconds, and names
  ///     the rank that blocks the others; 0: never.
  ///   - body: gets the world of ranks, which cannot be used after it returns.
  /// - Throws: nothing; it is declared so that a call reads like all others that can fail. A second call in
  ///   a process ends it with 64, as MPI starts only once.
  @discardableResult
  public static func run<Result>(
    stallTimeout: Double = defaultStallTimeout,
    _ body: (_ world: Communicator) throws -> Result
  ) throws -> Result {
    guard !hasRun.exchange(true, ordering: .relaxed) else {
      RankSession.exit(
        Failure(
          .usage, "Distributed.run was called a second time in one process",
          remedy: "call it once, around everything that ranks do together"))
    }
    nd_set_out_of_memory_handler(nd_exit_out_of_memory)
    RankSession.reserveStandardStreams()
    let session = RankSession(startTimeout: stallTimeout > 0 ? stallTimeout : nil)
    var result: Result?
    let status = session.run {
      let world = try session.world()
      world.watch(stallTimeout: stallTimeout)
      do {
        result = try body(world)
      } catch {
        throw world.programFailure(error)
      }
      return world.exitStatus
    }
    if status != 0 { exit(status) }
    return result!
  }
}

/// Another rank ends the job, and says why: this rank has nothing to add.
struct PeerFailure: Error {}

/// A failure that only this rank knows of. It ends the whole job at once. (A plain `Failure` is
/// thrown by all ranks.)
package struct RankFailure: Error {
  package let failure: Failure

  package init(failure: Failure) { self.failure = failure }
}
