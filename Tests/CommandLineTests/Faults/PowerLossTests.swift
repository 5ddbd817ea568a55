import Foundation
import System
import Tensors
import TestSupport
import Testing

import enum Training.Checkpoint

/// The power fails at any moment of a run that saves (../shared/faults.md, 29): on the disk is what was
/// synced, and any part of what was not.
@Suite(.enabled(if: canInject, Comment(rawValue: cannotInject)))
struct PowerLossTests {
  let jobs = Jobs.saving()

  /// A run with saves at and between the ends of epochs, with links to the best, and old checkpoints
  /// that are removed.
  private func recorded() throws -> [SystemCall] {
    let log = jobs.path("log")
    var command = strace(
      jobs.saving("run", ["--checkpoint-every", "3", "--eval-every", "1"]), paths: [],
      calls: DiskReplay.calls, log: log)
    command.insert(contentsOf: SystemCall.options, at: 1)
    let outcome = try run(command)
    try #require(outcome.status == 0, "\(outcome)")
    return SystemCall.parse(loggedCalls(log))
  }

  /// What is wrong with one state of the disk; nil: nothing.
  private struct Judge {
    let replay: DiskReplay
    /// The steps that were begun and that the log said were saved, with when.
    let begun, saved: [(step: Int, at: Int)]
    let folder = TemporaryFolder()

    init(_ replay: DiskReplay, steps: [Int]) throws {
      self.replay = replay
      begun = try steps.map {
        ($0, try #require(replay.firstStep(making: ".tmp-" + Checkpoint.name(step: $0))))
      }
      saved = replay.writes(to: "metrics.jsonl").compactMap { at, bytes in
        let line = String(decoding: bytes, as: UTF8.self)
        guard line.contains("\"event\":\"checkpoint\""),
          let number = line.firstMatch(of: /"step":(\d+)/)?.1, let step = Int(number)
        else { return nil }
        return (step, at)
      }
    }

    func problem(after count: Int, keeps: () -> Bool) throws -> String? {
      let disk = folder.path + "/disk"
      replay.write(after: count, to: disk, keeps: keeps)
      defer { try? FileManager.default.removeItem(atPath: disk) }
      let last = saved.last { $0.at <= count }?.step
      let next = begun.last { $0.at < count }?.step
      let checkpoints = disk + "/checkpoints"
      let newest = (try? Checkpoint.newest(in: checkpoints) { _, _ in })??.state.step
      if let last {
        guard let newest, newest >= last, newest <= next ?? last else {
          return
            "step \(last) was saved; the newest that verifies is \(newest.map(String.init) ?? "none")"
        }
        // Without it there is no run to go on with.
        guard access(disk + "/recipe.yaml", F_OK) == 0, contents(disk + "/recipe.yaml").count > 100
        else {
          return "the recipe is gone"
        }
      }
      for link in ["latest", "best"] where readsLink(checkpoints + "/" + link) {
        do {
          _ = try Checkpoint.load(checkpoints + "/" + link)
        } catch {
          return "\(link) points to no checkpoint: \(error)"
        }
      }
      return nil
    }

    private func readsLink(_ path: String) -> Bool {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
    }

    /// The first problem of `count` states, drawn by `seed`.
    func firstProblem(of count: Int, seed: UInt64) throws -> String? {
      let random = CountedRandom(seed: seed, purpose: "power loss")
      var drawn: UInt64 = 0
      func draw() -> UInt32 {
        drawn += 1
        return random.block(drawn / 4)[Int(drawn % 4)]
      }
      for state in 0..<count {
        let moment = 1 + Int(draw()) % replay.stepCount
        // From nothing that was not synced to all of it.
        let share = UInt64(draw() % 5) << 30
        if let problem = try problem(after: moment, keeps: { UInt64(draw()) < share }) {
          return "state \(state), after step \(moment) of \(replay.stepCount): \(problem)"
        }
      }
      return nil
    }
  }

  @Test func anyStateOfTheDiskHasTheLastCheckpointOrTheNext() throws {
    let calls = try recorded()
    let made = Set(calls.filter { $0.name == "mkdir" }.map { $0.text(0) })
    let steps = (1...21).filter { made.contains(jobs.temporary("run", $0)) }
    #expect(steps.count >= 8)
    let whole = try Judge(DiskReplay(calls, root: jobs.path("run")), steps: steps)
    #expect(whole.saved.map(\.step) == steps)
    // At the end, with nothing lost, the disk is the folder.
    #expect(try whole.problem(after: whole.replay.stepCount, keeps: { true }) == nil)
    #expect(try whole.firstProblem(of: isLong ? 20_000 : 1_000, seed: 1) == nil)

    // The judge is one: without any of the syncs it finds what is lost.
    let checkpoint = /\.tmp-step-\d+/
    let forgotten: [(what: String, is: (String) -> Bool)] = [
      ("of the model", { $0.hasSuffix("/model.safetensors") }),
      ("of the optimizer", { $0.hasSuffix("/optimizer.safetensors") }),
      ("of the state", { $0.hasSuffix("/state.json") }),
      ("of the new folder", { $0.hasSuffix("/checkpoints") }),
      (
        "of the temporary folder",
        { $0.firstMatch(of: checkpoint)?.range.upperBound == $0.endIndex }
      ),
      ("of the recipe", { $0.hasSuffix("/recipe.yaml.tmp") }),
      ("of the run directory", { $0.hasSuffix("/run") }),
    ]
    for (what, isIt) in forgotten {
      let replay = DiskReplay(calls, root: jobs.path("run"), forgetting: isIt)
      #expect(replay.stepCount < whole.replay.stepCount, "there is no sync \(what)")
      let problem = try Judge(replay, steps: steps).firstProblem(of: 1_000, seed: 2)
      #expect(problem != nil, "nobody misses the sync \(what)")
    }
  }
}
