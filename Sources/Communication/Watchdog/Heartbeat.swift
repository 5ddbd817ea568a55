import CSystem
import Glibc
import System

/// A rank's heartbeat, as the watchdogs of its host read it: counters that grow while the process
/// runs, and what the rank is doing. csystem.h lists the words.
struct Heartbeat {
  enum State: UInt64 { case absent, running, ending }

  let words: UnsafeMutablePointer<UInt64>

  private func word(_ which: Int) -> UInt64 {
    nd_load_relaxed(words, which)
  }

  var tick: UInt64 { word(ND_HEARTBEAT_TICK) }
  var progress: UInt64 { word(ND_HEARTBEAT_PROGRESS) }
  var rank: Int { Int(word(ND_HEARTBEAT_RANK)) }
  var process: Int32 { Int32(truncatingIfNeeded: word(ND_HEARTBEAT_PROCESS)) }
  var isWaiting: Bool { word(ND_HEARTBEAT_WAITING) != 0 }
  var state: State { State(rawValue: word(ND_HEARTBEAT_STATE)) ?? .absent }
  /// Seconds without progress after which the job ends; nil: no limit.
  var stallTimeout: Double? {
    let limit = word(ND_HEARTBEAT_LIMIT)
    return limit == 0 ? nil : Double(limit) / 1000
  }

  var section: Progress.Section { Progress.Section(rawValue: word(ND_HEARTBEAT_SECTION)) ?? .start }

  /// "at step 7, in forward"
  var place: String {
    let step = word(ND_HEARTBEAT_STEP)
    return (step == 0 ? "before step 1" : "at step \(step)") + ", in \(section)"
  }

  /// Whether this process is the first to report for the host's ranks. Call it on the heartbeat of
  /// the host's first rank.
  func claimReport() -> Bool { nd_set_if_zero(words, ND_HEARTBEAT_REPORTED) == 1 }

  /// Whether the process is alive. False says something only if it was true before: a process in
  /// another PID namespace has a different number here.
  var isAlive: Bool {
    guard kill(process, 0) == 0 || errno == EPERM else { return false }
    // A zombie still has its number, but is dead.
    guard let file = fopen("/proc/\(process)/stat", "re") else { return errno != ENOENT }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 512)
    guard fgets(&text, Int32(text.count), file) != nil,
      let name = strrchr(text, Int32(UInt8(ascii: ")")))
    else { return true }
    return name[2] != CChar(UInt8(ascii: "Z")) && name[2] != CChar(UInt8(ascii: "X"))
  }

  /// Sets one word of this process's own heartbeat.
  static func show(_ which: Int, _ value: UInt64) {
    nd_set_heartbeat(which, value)
  }
}
