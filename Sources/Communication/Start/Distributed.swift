import CSystem
import Glibc
import Synchronization
import System

/// The start and the end of a program that trains on several ranks.
public enum Distributed {
  private static let hasRun = Atomic(false)

  /// Seconds without progress after which a job ends: longer than any part of a step takes, and short enough to
  /// waste little of a reservation.
  public static let defaultStallTimeout = 300.0

  /// Runs `body` on every rank that the launcher started, or on this process alone without a launcher, and
  /// returns its value:
  ///
  ///     try Distributed.run { world in
  ///       print("rank \(world.rank) of \(world.worldSize)")
  ///     }
  ///
  /// **Ends the process** when `body` fails, on every rank with one exit status: root prints one line,
  /// `nndist: error: ...`. A Failure's status is the exit status (64 ... 76), any other error's is 70. It
  /// also ends the process with 75 when a training run in `body` was stopped on request, and when the ranks
  /// make no progress for `stallTimeout`; and with 70 when memory is refused.
  ///
  /// - Parameters:
  ///   - stallTimeout: seconds after which a job whose ranks make no progress ends, naming the rank that holds
  ///     up the others; 0: never.
  ///   - body: gets the world of ranks, which cannot be used after it returns.
  /// - Throws: `Failure(.usage)` when called a second time in a process, as MPI starts only once.
  @discardableResult
  public static func run<Result>(
    stallTimeout: Double = defaultStallTimeout,
    _ body: (_ world: Communicator) throws -> Result
  ) throws -> Result {
    guard !hasRun.exchange(true, ordering: .relaxed) else {
      throw Failure(
        .usage, "Distributed.run was called a second time in one process",
        remedy: "call it once, around everything that ranks do together")
    }
    nd_set_out_of_memory_handler(nd_exit_out_of_memory)
    RankSession.reserveStandardStreams()
    let session = RankSession(startTimeout: stallTimeout > 0 ? stallTimeout : nil)
    var result: Result?
    let status = session.run {
      let world = try session.world()
      world.watch(stallTimeout: stallTimeout)
      result = try body(world)
      return world.exitStatus
    }
    if status != 0 { exit(status) }
    return result!
  }
}

/// A failure that only this rank knows of: it ends the whole job at once. (A plain `Failure` is thrown by all
/// ranks alike.)
package struct RankFailure: Error {
  package let failure: Failure

  package init(failure: Failure) { self.failure = failure }
}
