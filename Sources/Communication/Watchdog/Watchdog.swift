import CSystem
import Glibc
import System
import Tensors

/// A thread of each rank that shows that its process runs, and watches all ranks of its host.
///
/// It reports a rank that dies at once; mpirun ends the others. If no rank makes progress during
/// the stall timeout, the lowest running rank names the rank that blocks the others, once. Then it
/// ends with 75, which ends the job. A rank whose watchdog is silent too is stopped; a rank whose
/// watchdog runs is stuck.
///
/// The heartbeats are in memory that a host's ranks share, so each host watches its own ranks. If
/// all of them wait for ranks of another host, that host has to name the rank. This host waits
/// longer, in case the other host is gone.
final class Watchdog: @unchecked Sendable {
  private static let periodMicroseconds = 200_000
  /// A watchdog is silent if it did not run for this many seconds. Shorter pauses are normal on a
  /// busy machine.
  private var silenceSeconds: Double { max(1, (members[own].stallTimeout ?? 0) / 10) }
  /// How many stall timeouts a host waits for other hosts, which name their own ranks after one. In
  /// a sum, all ranks do the same work; outside of it, root may evaluate or save for long.
  private static let timeoutsInSums = 2.0
  private static let timeoutsElsewhere = 10.0

  /// A death more than this many seconds after SIGTERM is caused by it.
  private static let terminationGraceSeconds = 0.6

  private let members: [Heartbeat]
  /// The index of this process among `members`.
  private let own: Int
  private let board: Board?
  private let hostName: String
  private let worldSize: Int
  private let wakeup = Wakeup()
  private var thread: pthread_t?
  private let isEnding = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
  /// By rank of the host: 1 if this process has seen that rank's process alive.
  private let wasAlive: UnsafeMutablePointer<UInt64>

  private var hasOtherHosts: Bool { members.count < worldSize }

  // Used only by the watchdog's thread.
  private var seen: [Seen]
  private var lastRound = 0.0
  /// When the watchdog first noticed SIGTERM.
  private var terminationTime: Double?

  /// The last counters seen of a rank, and the times at which they last changed.
  private struct Seen {
    var tick: UInt64 = 0
    var tickTime = 0.0
    var progress: UInt64 = 0
    var progressTime = 0.0
    var isDead = false
    /// Whether it was killed because the job ends.
    var isEnded = false
  }

  /// - Parameters:
  ///   - heartbeats: of the host's ranks, in rank order.
  ///   - own: the index of this process among them.
  ///   - board: the host's board; nil if this process watches only itself.
  init(
    heartbeats: [UnsafeMutablePointer<UInt64>], own: Int, board: Board?, hostName: String,
    worldSize: Int
  ) {
    members = heartbeats.map(Heartbeat.init(words:))
    self.own = own
    self.board = board
    self.hostName = hostName
    self.worldSize = worldSize
    seen = Array(repeating: Seen(), count: heartbeats.count)
    isEnding.initialize(to: 0)
    wasAlive = .allocate(capacity: heartbeats.count)
    wasAlive.initialize(repeating: 0, count: heartbeats.count)
  }

  deinit {
    stop()
    isEnding.deallocate()
    wasAlive.deallocate()
  }

  /// Starts the thread; has no effect if it runs already.
  func start() {
    guard thread == nil else { return }
    Heartbeat.show(ND_HEARTBEAT_STATE, Heartbeat.State.running.rawValue)
    // Signals must go to the thread that trains.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let owner = Unmanaged.passUnretained(self)
    thread = startThread("the watchdog") { owner.takeUnretainedValue().serve() }
  }

  /// Notes which processes can be seen from this process. Call it while all are known to be alive:
  /// otherwise a process that dies before the thread's next check is missed.
  func noteProcessesAlive() {
    for (index, member) in members.enumerated() where member.isAlive {
      nd_store_release(wasAlive + index, 1)
    }
  }

  /// Stops the thread. The process is then about to end, which the others do not report as a death.
  func stop() {
    Heartbeat.show(ND_HEARTBEAT_STATE, Heartbeat.State.ending.rawValue)
    guard let thread else { return }
    nd_store_release(isEnding, 1)
    wakeup.signal()
    pthread_join(thread, nil)
    self.thread = nil
  }

  private func serve() {
    while true {
      checkAll()
      wakeup.sleep(atMostMicroseconds: Watchdog.periodMicroseconds)
      if nd_spin_until(isEnding, 1, 1) != 0 { return }
    }
  }

  /// Whether this process is the first of its host to report why the job ends. Only the first may
  /// print: one line is enough.
  func claimReport() -> Bool { members[0].claimReport() }

  // MARK: - One check

  private func checkAll() {
    let now = monotonicSeconds()
    // If this thread itself did not run for a while, the old times say nothing about the others.
    let timesAreStale = now - lastRound > silenceSeconds
    lastRound = now
    if terminationTime == nil && nd_noted_signal() == SIGTERM { terminationTime = now }
    Heartbeat.show(ND_HEARTBEAT_TICK, members[own].tick + 1)
    for (index, member) in members.enumerated() {
      let (tick, progress) = (member.tick, member.progress)
      if timesAreStale || tick != seen[index].tick { seen[index].tickTime = now }
      if timesAreStale || progress != seen[index].progress { seen[index].progressTime = now }
      (seen[index].tick, seen[index].progress) = (tick, progress)
      checkForDeath(index, now)
    }
    checkForStall(now)
  }

  private func checkForDeath(_ index: Int, _ now: Double) {
    let member = members[index]
    guard index != own, !seen[index].isDead, member.state == .running else { return }
    if member.isAlive {
      nd_store_release(wasAlive + index, 1)
    } else if nd_spin_until(wasAlive + index, 1, 1) != 0, member.state == .running {
      seen[index].isDead = true
      // mpirun and users end a job with SIGTERM, and kill it a second later: that needs no report.
      // But if a rank dies, mpirun sends SIGTERM to the others at once: that death came first.
      if let terminationTime, now - terminationTime > Watchdog.terminationGraceSeconds {
        seen[index].isEnded = true
        return
      }
      guard claimReport() else { return }
      printError(
        Failure(
          .stopped, "\(name(index)) died \(place(index))",
          remedy: "mpirun says how; go on with --resume"))
    }
  }

  /// Ends the job if no rank has made progress during the stall timeout.
  private func checkForStall(_ now: Double) {
    guard let timeout = members[own].stallTimeout else { return }
    let watched = members.indices.filter { members[$0].state == .running }
    guard watched.allSatisfy({ now - seen[$0].progressTime > timeout }) else { return }
    let silent = watched.filter { seen[$0].isDead || now - seen[$0].tickTime > silenceSeconds }
    guard watched.first(where: { !silent.contains($0) }) == own else { return }
    // The job is ending, and the process that ended it has reported why, perhaps on another host.
    if silent.contains(where: { seen[$0].isEnded }) { _exit(Failure.Status.stopped.rawValue) }
    guard let suspect = suspect(among: watched, silent: silent) else {
      let isInSum = board?.lastEntered(own)?.header.operation == .sum
      // At least as long as mpirun takes to end this host's ranks because of another host's rank.
      let limit = max(
        timeout * (isInSum ? Watchdog.timeoutsInSums : Watchdog.timeoutsElsewhere), timeout + 10)
      guard watched.allSatisfy({ now - seen[$0].progressTime > limit }) else { return }
      let here = watched.map { members[$0].rank }
      let elsewhere = (0..<worldSize).filter { rank in !members.contains { $0.rank == rank } }
      end(
        "\(rankList(here)) (host \(hostName)) \(here.count == 1 ? "waits" : "wait") in vain for "
          + "\(rankList(elsewhere)) on other hosts, \(place(own))", seconds: limit)
    }
    let how =
      seen[suspect].isDead ? "died" : silent.contains(suspect) ? "is stopped" : "is alive but stuck"
    end("\(name(suspect)) \(how) \(place(suspect))", seconds: timeout)
  }

  /// The rank that the others wait for, by its index in `members`; nil if it is on another host.
  private func suspect(among watched: [Int], silent: [Int]) -> Int? {
    func oldest(_ members: some Sequence<Int>) -> Int? {
      members.min { seen[$0].progressTime < seen[$1].progressTime }
    }
    // The rank that has been silent for longest.
    if let first = silent.min(by: { seen[$0].tickTime < seen[$1].tickTime }) { return first }
    guard let board else { return hasOtherHosts && members[own].isWaiting ? nil : own }
    // Of the ranks that have entered the fewest collectives, one that does not wait itself.
    let lowest = watched.map { board.lastEntered($0)?.sequence ?? .max }.min()
    let last = watched.filter { board.lastEntered($0)?.sequence ?? .max == lowest }
    return oldest(last.filter { !waits($0) }) ?? (hasOtherHosts ? nil : oldest(last))
  }

  /// Whether the rank waits for others. A sum between hosts runs in a background thread, and in its
  /// section the rank waits for that thread.
  private func waits(_ index: Int) -> Bool {
    members[index].isWaiting || (hasOtherHosts && members[index].section == .sum)
  }

  private func end(_ what: String, seconds: Double) -> Never {
    if claimReport() {
      let time = Int(exactly: seconds).map(String.init) ?? String(seconds)
      printError(
        Failure(
          .stopped, "\(what); no rank has gone on for \(time) s (--stall-timeout)",
          remedy: "look at that process and its host, then go on with --resume"))
    }
    // Not exit: its handlers would wait for locks that other threads hold.
    _exit(Failure.Status.stopped.rawValue)
  }

  private func name(_ index: Int) -> String {
    "rank \(members[index].rank) (pid \(members[index].process), host \(hostName))"
  }

  /// "at step 7, in sum (its last collective: 41, sum of 7850 float32 (gradients, step 7))"
  private func place(_ index: Int) -> String {
    guard let (sequence, header) = board?.lastEntered(index) else { return members[index].place }
    return "\(members[index].place) (its last collective: \(sequence), \(header))"
  }

  /// Prints the error line in one write, because other processes print too, and without the
  /// buffers, whose locks other threads may hold.
  private func printError(_ failure: Failure) {
    let line = Array("nndist: error: \(failure)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
