import Foundation
import TestSupport
import Testing

import enum Training.Checkpoint

/// A crash or an error at each system call of a checkpoint's writing (../shared/faults.md, 28): the
/// newest checkpoint is the one being written or the one before, and the run goes on to the same bits.
@Suite(.waiting, .enabled(if: canInject, Comment(rawValue: cannotInject)))
struct CrashPointTests {
  let jobs = Jobs.saving()
  private static let calls = "%file,%desc"
  private static let often = ["--checkpoint-every", "1"]
  /// The save that is looked at: with old checkpoints to remove, and more calls before it than any other
  /// thread makes on its paths.
  private static let step = 5

  /// All that saves of five steps touch.
  private func paths(_ name: String) -> [String] {
    let folder = jobs.path(name) + "/checkpoints"
    let links = ["latest", "best"].flatMap { [folder + "/" + $0, folder + "/.tmp-" + $0] }
    let checkpoints = (1...CrashPointTests.step).flatMap { step in
      [
        jobs.checkpoint(name, step), jobs.temporary(name, step),
        jobs.temporary(name, step) + "-older",
      ]
    }
    let files = ["model.safetensors", "optimizer.safetensors", "state.json"]
    return [folder] + links + checkpoints
      + checkpoints.flatMap { path in files.map { path + "/" + $0 } }
  }

  private func traced(_ name: String, inject: String?, log: String = "/dev/null") -> [String] {
    strace(
      jobs.saving(
        name, CrashPointTests.often + ["--max-steps", "\(CrashPointTests.step)"]),
      paths: paths(name), inject: inject, calls: CrashPointTests.calls, log: log)
  }

  /// A system call of the save that is looked at.
  private struct Call {
    let name: String
    /// Which of its kind it is in the saving thread, from 1: what strace counts by.
    let number: Int
    /// As strace shows it.
    let line: String
  }

  /// The system calls of the save that is looked at.
  private func recorded() throws -> [Call] {
    let log = jobs.path("log")
    let outcome = try run(traced("recorded", inject: nil, log: log))
    try #require(outcome.status == 0, "\(outcome)")
    let lines = loggedCalls(log).filter { !$0.contains(" resumed>") }.map { line in
      // Strace fills short numbers of threads up with spaces.
      let thread = line.prefix { $0 != " " }
      let call = line.dropFirst(thread.count).drop { $0 == " " }
      return (thread: thread, name: String(call.prefix { $0 != "(" }), line: String(call))
    }
    let made = "mkdir(\"\(jobs.temporary("recorded", 1))\""
    let thread = try #require(lines.first { $0.line.hasPrefix(made) }?.thread)
    let own = lines.filter { $0.thread == thread }
    // A save begins with a look at the folder, then at what is in its way.
    let first = try #require(
      own.firstIndex {
        $0.line.contains("\"\(jobs.checkpoint("recorded", CrashPointTests.step))\"")
      })
    var counts: [String: Int] = [:]
    let calls = own.map { call in
      counts[call.name, default: 0] += 1
      return Call(name: call.name, number: counts[call.name]!, line: call.line)
    }[(first - 1)...]
    // No other thread makes so many of a kind on these paths: the fault is the save's alone.
    for call in calls {
      let others = Dictionary(
        grouping: lines.filter { $0.thread != thread && $0.name == call.name }
      ) {
        $0.thread
      }
      try #require(others.values.allSatisfy { $0.count < call.number }, "\(call.line)")
    }
    return Array(calls)
  }

  @Test func savesAreMadeOfTheCallsThatAreTried() throws {
    let calls = try recorded().map(\.line)
    #expect(calls.count > 40)
    for (call, path) in [
      ("mkdir", ""), ("openat", "/model.safetensors"), ("openat", "/optimizer.safetensors"),
      ("openat", "/state.json"), ("rename", ""),
    ] {
      let place = jobs.temporary("recorded", CrashPointTests.step) + path
      #expect(
        calls.contains { $0.contains("\(call)(") && $0.contains("\"\(place)\"") }, "\(call) \(path)"
      )
    }
    for call in ["write(", "fsync(", "close(", "symlink(", "unlink(", "rmdir("] {
      #expect(calls.contains { $0.contains(call) }, "\(call)")
    }
  }

  /// A sample of them; all in the long form.
  @Test func newestIsTheOneBeforeOrTheOneBeingWritten() throws {
    let step = CrashPointTests.step
    let more = CrashPointTests.often + ["--max-steps", "\(step + 1)"]
    try jobs.saveWhole(more)
    let calls = try recorded()
    let faults = ["signal=SIGKILL", "error=ENOSPC", "error=EIO"]
    let all = calls.indices.flatMap { index in faults.map { (index, $0) } }
    // Four divides nothing that comes again and again, such as openat, write, fsync, close.
    let points = isLong ? all : stride(from: 0, to: all.count, by: 13).map { all[$0] }
    var newest: [Int: Int] = [:]
    for (index, fault) in points {
      let comment = "\(fault) at call \(index + 1) of \(calls.count): \(calls[index].line)"
      let outcome = try run(
        traced("run", inject: "\(calls[index].name):\(fault):when=\(calls[index].number)"))
      if fault == "signal=SIGKILL" {
        #expect(outcome.status == 137, "\(comment)\n\(outcome)")
      } else {
        // The last save is tried once more.
        #expect(outcome.status == 0, "\(comment)\n\(outcome)")
      }
      let found = try #require(try jobs.newestStep("run"), "\(comment)")
      #expect(found == step || found == step - 1, "\(comment): \(found)")
      newest[found, default: 0] += 1
      let resumed = try run(jobs.saving("run", more + ["--resume"]))
      #expect(resumed.status == 0, "\(comment)\n\(resumed)")
      #expect(resumed.stdout.contains("resumed at step \(found) of "), "\(comment)\n\(resumed)")
      #expect(try !jobs.entries("run").contains { $0.hasPrefix(".tmp-") }, "\(comment)")
      #expect(try jobs.bits("run") == jobs.bits("whole"), "\(comment)")
      try FileManager.default.removeItem(atPath: jobs.path("run"))
    }
    // Both happen, or nothing was injected.
    #expect(newest[step] ?? 0 > 0 && newest[step - 1] ?? 0 > 0, "\(newest)")
    print("crash points: \(points.count) of \(all.count); newest checkpoint by step: \(newest)")
  }
}
