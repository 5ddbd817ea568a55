import CSystem
import Glibc
import System
import Tensors

/// A thread of each rank that shows that the process runs, and looks after the ranks of its host.
///
/// A rank that dies is named at once; mpirun ends the others. When no rank has made progress for as
/// long as the stall timeout, the one that holds up the others is named, once, by the lowest rank
/// that runs, which then ends with 75, and with it the job: a rank whose own watchdog is silent too is
/// stopped, one whose watchdog runs is stuck.
///
/// Signs of life are in memory that a host's ranks share. So each host sees its own ranks; where all of
/// them wait for ranks of other hosts, it is for the other host to name one, and this one gives it
/// longer, in case that all of that host is gone.
final class Watchdog: @unchecked Sendable {
  private static let periodMicroseconds = 200_000
  /// A watchdog that did not run for so long is silent: the machine may be busy.
  private var silence: Double { max(1, (members[own].stallTimeout ?? 0) / 10) }
  /// How many stall timeouts ranks wait that wait for other hosts, which name their own ranks after
  /// one: in a sum all compute alike; elsewhere root may evaluate or save for long.
  private static let patienceInSums = 2.0
  private static let patienceElsewhere = 10.0

  /// Deaths that are seen so much later than SIGTERM come of it.
  private static let patienceOfMpirun = 0.6

  private let members: [Heartbeat]
  /// Its place among them.
  private let own: Int
  private let board: Board?
  private let hostName: String
  private let worldSize: Int
  private let alarm = Alarm()
  private var thread: pthread_t?
  private let isEnding = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
  /// By rank of the host 1 where its process could be seen from here.
  private let wasAlive: UnsafeMutablePointer<UInt64>

  private var hasOtherHosts: Bool { members.count < worldSize }

  // The thread's alone.
  private var seen: [Seen]
  private var lastRound = 0.0
  /// When SIGTERM was first seen to have come.
  private var terminationTime: Double?

  /// What was last seen of a rank, and when it was new.
  private struct Seen {
    var tick: UInt64 = 0
    var tickTime = 0.0
    var progress: UInt64 = 0
    var progressTime = 0.0
    var isDead = false
    /// Whether it died of who ends the job.
    var isEnded = false
  }

  /// - Parameters:
  ///   - signs: of the host's ranks, in their order.
  ///   - own: the place of this process among them.
  ///   - board: where the ranks show which collectives they enter; nil: this process is alone there.
  init(
    signs: [UnsafeMutablePointer<UInt64>], own: Int, board: Board?, hostName: String,
    worldSize: Int
  ) {
    members = signs.map(Heartbeat.init(words:))
    self.own = own
    self.board = board
    self.hostName = hostName
    self.worldSize = worldSize
    seen = Array(repeating: Seen(), count: signs.count)
    isEnding.initialize(to: 0)
    wasAlive = .allocate(capacity: signs.count)
    wasAlive.initialize(repeating: 0, count: signs.count)
  }

  deinit {
    stop()
    isEnding.deallocate()
    wasAlive.deallocate()
  }

  /// Begins to watch; without effect where it does already.
  func start() {
    guard thread == nil else { return }
    Heartbeat.show(ND_HEARTBEAT_STATE, Heartbeat.State.running.rawValue)
    // Signals are for the thread that trains.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let owner = Unmanaged.passUnretained(self)
    thread = startThread("the watchdog") { owner.takeUnretainedValue().serve() }
  }

  /// Looks whose process can be seen from here, when all are known to live: one that dies before the
  /// thread's next look is missed else.
  func seeAll() {
    for (index, member) in members.enumerated() where member.isAlive {
      nd_store_release(wasAlive + index, 1)
    }
  }

  /// Ends the watch. The process is then about to end too, which is no death.
  func stop() {
    Heartbeat.show(ND_HEARTBEAT_STATE, Heartbeat.State.ending.rawValue)
    guard let thread else { return }
    nd_store_release(isEnding, 1)
    alarm.ring()
    pthread_join(thread, nil)
    self.thread = nil
  }

  private func serve() {
    while true {
      look()
      alarm.sleep(atMostMicroseconds: Watchdog.periodMicroseconds)
      if nd_spin_until(isEnding, 1, 1) != 0 { return }
    }
  }

  /// Whether nobody of this host has spoken yet of what ends the job. One line is enough.
  func claim() -> Bool { members[0].claim() }

  // MARK: - One look

  private func look() {
    let now = monotonicSeconds()
    // After a time in which it did not run itself it knows nothing of the others.
    let knowsNothing = now - lastRound > silence
    lastRound = now
    if terminationTime == nil && nd_noted_signal() == SIGTERM { terminationTime = now }
    Heartbeat.show(ND_HEARTBEAT_TICK, members[own].tick + 1)
    for (index, member) in members.enumerated() {
      let (tick, progress) = (member.tick, member.progress)
      if knowsNothing || tick != seen[index].tick { seen[index].tickTime = now }
      if knowsNothing || progress != seen[index].progress { seen[index].progressTime = now }
      (seen[index].tick, seen[index].progress) = (tick, progress)
      lookForDeath(index, now)
    }
    judge(now)
  }

  private func lookForDeath(_ index: Int, _ now: Double) {
    let member = members[index]
    guard index != own, !seen[index].isDead, member.state == .running else { return }
    if member.isAlive {
      nd_store_release(wasAlive + index, 1)
    } else if nd_spin_until(wasAlive + index, 1, 1) != 0, member.state == .running {
      seen[index].isDead = true
      // Who ends a job asks with SIGTERM, mpirun too, and kills a second later: that is no news. But when
      // a rank has died mpirun asks the others at once.
      if let terminationTime, now - terminationTime > Watchdog.patienceOfMpirun {
        seen[index].isEnded = true
        return
      }
      guard claim() else { return }
      say(
        Failure(
          .stopped, "\(name(index)) died \(place(index))",
          remedy: "mpirun says how; go on with --resume"))
    }
  }

  /// Ends the job where it does not go on.
  private func judge(_ now: Double) {
    guard let timeout = members[own].stallTimeout else { return }
    let watched = members.indices.filter { members[$0].state == .running }
    guard watched.allSatisfy({ now - seen[$0].progressTime > timeout }) else { return }
    let silent = watched.filter { seen[$0].isDead || now - seen[$0].tickTime > silence }
    guard watched.first(where: { !silent.contains($0) }) == own else { return }
    // The job is at its end, which has been told by who ended it, be it on another host.
    if silent.contains(where: { seen[$0].isEnded }) { _exit(Failure.Status.stopped.rawValue) }
    guard let suspect = suspect(among: watched, silent: silent) else {
      let isInSum = board?.lastEntered(own)?.header.operation == .sum
      // At least as long as mpirun takes to end this host's ranks for the other's.
      let patience = max(
        timeout * (isInSum ? Watchdog.patienceInSums : Watchdog.patienceElsewhere), timeout + 10)
      guard watched.allSatisfy({ now - seen[$0].progressTime > patience }) else { return }
      let here = watched.map { members[$0].rank }
      let elsewhere = (0..<worldSize).filter { rank in !members.contains { $0.rank == rank } }
      end(
        "\(rankList(here)) (host \(hostName)) \(here.count == 1 ? "waits" : "wait") in vain for "
          + "\(rankList(elsewhere)) on other hosts, \(place(own))", seconds: patience)
    }
    let how =
      seen[suspect].isDead ? "died" : silent.contains(suspect) ? "is stopped" : "is alive but stuck"
    end("\(name(suspect)) \(how) \(place(suspect))", seconds: timeout)
  }

  /// Whom the others wait for; nil: nobody of this host.
  private func suspect(among watched: [Int], silent: [Int]) -> Int? {
    func oldest(_ members: some Sequence<Int>) -> Int? {
      members.min { seen[$0].progressTime < seen[$1].progressTime }
    }
    // The first that fell silent.
    if let first = silent.min(by: { seen[$0].tickTime < seen[$1].tickTime }) { return first }
    guard let board else { return hasOtherHosts && members[own].isWaiting ? nil : own }
    // Of those who are farthest behind one that does not wait itself.
    let last = watched.map { board.lastEntered($0)?.sequence ?? .max }.min()
    let behind = watched.filter { board.lastEntered($0)?.sequence ?? .max == last }
    return oldest(behind.filter { !waits($0) }) ?? (hasOtherHosts ? nil : oldest(behind))
  }

  /// A sum between hosts goes on in a thread of its own, and the rank waits for that.
  private func waits(_ index: Int) -> Bool {
    members[index].isWaiting || (hasOtherHosts && members[index].section == .sum)
  }

  private func end(_ what: String, seconds: Double) -> Never {
    if claim() {
      let time = Int(exactly: seconds).map(String.init) ?? String(seconds)
      say(
        Failure(
          .stopped, "\(what); no rank has gone on for \(time) s (--stall-timeout)",
          remedy: "look at that process and its host, then go on with --resume"))
    }
    // Not exit: other threads hold what its handlers would wait for.
    _exit(Failure.Status.stopped.rawValue)
  }

  private func name(_ index: Int) -> String {
    "rank \(members[index].rank) (pid \(members[index].process), host \(hostName))"
  }

  /// "at step 7, in sum (collective 41, sum of 7850 float32 (gradients, step 7))"
  private func place(_ index: Int) -> String {
    guard let (sequence, header) = board?.lastEntered(index) else { return members[index].place }
    return "\(members[index].place) (its last collective: \(sequence), \(header))"
  }

  /// In one write, as others write too; and past the buffers, which others may hold.
  private func say(_ failure: Failure) {
    let line = Array("nndist: error: \(failure)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
