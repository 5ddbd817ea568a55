import Foundation
import TestSupport
import Testing

/// What a run writes, and where.
@Suite struct MetricsTests {
  let jobs = Jobs()

  /// The events and keys of design.md, with the types of their values.
  private static let keys: [String: [String: Any.Type]] = [
    "start": [
      "recipe": String.self, "parameters": Int.self, "ranks": Int.self, "threads": Int.self,
      "shards": Int.self, "host": String.self,
    ],
    "step": [
      "epoch": Int.self, "step": Int.self, "samples": Int.self, "loss": Double.self,
      "lr": Double.self,
      "grad_norm": Double.self, "samples_per_second": Double.self,
    ],
    "eval": [
      "epoch": Int.self, "step": Int.self, "split": String.self, "loss": Double.self,
      "loss_batch_mean": Double.self, "accuracy": Double.self, "correct": Int.self,
      "count": Int.self,
    ],
    "checkpoint": ["step": Int.self, "path": String.self],
    "end": ["reason": String.self, "steps": Int.self, "seconds": Double.self],
  ]

  @Test(arguments: [1, 2])
  func everyLineIsAnEventWithItsKeys(ranks: Int) throws {
    try jobs.train("run", ranks: ranks)
    let lines = try jobs.metrics("run")
    let epoch = ["step", "step", "step", "step", "step", "eval"]
    let events = lines.map { $0["event"] as? String ?? "none" }
    // A checkpoint is there some time after its step.
    #expect(events.filter { $0 != "checkpoint" } == ["start"] + epoch + epoch + epoch + ["end"])
    #expect(events.filter { $0 == "checkpoint" }.count == 3 && events.last == "end")
    for line in lines {
      let event = try #require(line["event"] as? String)
      for (key, type) in try #require(MetricsTests.keys[event]) {
        let fits =
          switch type {
          case is String.Type: line[key] is String
          case is Int.Type: line[key] is Int
          default: line[key] is Double
          }
        #expect(fits, "\(event): \(key) is \(line[key] ?? "missing")")
      }
    }
    for (index, line) in try jobs.metrics("run", "step").enumerated() {
      #expect(line["step"] as? Int == index + 1)
      #expect(line["epoch"] as? Int == index / 5 + 1)
      #expect(line["samples"] as? Int == index / 5 * 203 + min((index % 5 + 1) * 50, 203))
      // Half a cosine from 1e-3 at the first step to 0 behind the last.
      let rate = 0.5e-3 * (1 + cos(Double.pi * Double(index) / 15))
      #expect(abs((line["lr"] as? Double ?? 0) - rate) < 1e-12)
      #expect((line["loss"] as? Double ?? 0) > 0 && (line["grad_norm"] as? Double ?? 0) > 0)
    }
    for line in try jobs.metrics("run", "eval") {
      #expect(line["split"] as? String == "test" && line["count"] as? Int == 57)
      let accuracy = try #require(line["accuracy"] as? Double)
      #expect(abs(accuracy - Double(try #require(line["correct"] as? Int)) / 57) < 1e-15)
      #expect(line["loss"] as? Double != line["loss_batch_mean"] as? Double)
    }
    let paths = try jobs.metrics("run", "checkpoint").map { $0["path"] as? String ?? "" }
    #expect(
      paths
        == [5, 10, 15].map {
          jobs.path("run")
            + "/checkpoints/step-\(String(repeating: "0", count: $0 < 10 ? 7 : 6))\($0)"
        })
  }

  @Test func zeroTurnsEachOff() throws {
    for (option, event) in [
      ("--log-every", "step"), ("--eval-every", "eval"), ("--checkpoint-every", "checkpoint"),
    ] {
      try jobs.train(event, [option, "0"])
      let events = Set(try jobs.metrics(event).map { $0["event"] as? String })
      #expect(
        events == Set(["start", "step", "eval", "checkpoint", "end"].filter { $0 != event }),
        "\(option)")
    }
    #expect(jobs.checkpoints("checkpoint").isEmpty)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: jobs.path("checkpoint") + "/checkpoints")
        .isEmpty)
  }

  @Test func intervalsAreKept() throws {
    try jobs.train("run", ["--log-every", "4", "--eval-every", "2", "--checkpoint-every", "6"])
    func steps(_ event: String) throws -> [Int] {
      try jobs.metrics("run", event).map { $0["step"] as? Int ?? -1 }
    }
    #expect(try steps("step") == [4, 8, 12])
    // The last epoch is always evaluated.
    #expect(try steps("eval") == [10, 15])
    // Every sixth step, the best, and the last.
    let best = try jobs.state("run").best?.step
    #expect(try steps("checkpoint") == (best == 15 ? [6, 10, 12, 15] : [6, 10, 12, 15]))
  }

  @Test func bestAndLatestPointWhereTheySay() throws {
    try jobs.train("run", ["--epochs", "6", "--lr", "0.01"])
    let evals = try jobs.metrics("run", "eval")
    let most = evals.map { $0["correct"] as? Int ?? 0 }.max()
    // The first of equals.
    let best = evals.first { $0["correct"] as? Int == most }?["step"] as? Int
    let folder = jobs.path("run") + "/checkpoints/"
    let state = try jobs.state("run")
    #expect(state.best?.step == best && state.step == 30)
    let manager = FileManager.default
    #expect(try manager.destinationOfSymbolicLink(atPath: folder + "latest") == "step-00000030")
    #expect(
      try manager.destinationOfSymbolicLink(atPath: folder + "best").hasSuffix("0\(best ?? -1)"))
    // It learned: the classes are far apart.
    #expect(most ?? 0 > 28, "\(evals)")
  }

  @Test(arguments: Launch.allCases)
  func completedRunStaysAsItIs(launch: Launch) throws {
    try jobs.train("run")
    let bits = try jobs.bits("run")
    let outcome = try launch.nndist(jobs.arguments("run", ["--resume"]))
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try jobs.metrics("run", "step").count == 15)
    #expect(try jobs.metrics("run", "eval").count == 3)
    #expect(try jobs.metrics("run", "end").map { $0["steps"] as? Int } == [15, 15])
    #expect(try jobs.bits("run") == bits)
  }

  @Test func runHasTheFilesOfTheDesign() throws {
    try jobs.train("run")
    let files = try FileManager.default.contentsOfDirectory(atPath: jobs.path("run"))
    #expect(files.sorted() == ["checkpoints", "metrics.jsonl", "recipe.yaml", "run.lock"])
  }
}

/// What a run prints.
@Suite struct ConsoleOutputTests {
  let jobs = Jobs()

  @Test func onlyRootPrints() throws {
    let outcome = try jobs.train("run", ranks: 4)
    let lines = outcome.stdout.split(separator: "\n")
    #expect(lines.count == 7, "\(outcome)")
    #expect(Set(lines).count == lines.count, "\(outcome)")
    for (line, start) in zip(
      lines,
      [
        "fashion-mnist: 13002 parameters, 203 samples, batch 50, 3 epochs of 5 steps; 4 ranks x ",
        "run directory: \(jobs.path("run"))", "Epoch 1/3: test accuracy ",
        "Epoch 2/3: test accuracy ",
        "Epoch 3/3: test accuracy ", "done after ", "the run is in \(jobs.path("run"))",
      ])
    { #expect(line.hasPrefix(start), "\(line)") }
    #expect(outcome.stderr.isEmpty, "\(outcome)")
  }

  @Test(arguments: [1, 3])
  func quietPrintsNothing(ranks: Int) throws {
    let outcome = try jobs.train("run", ranks: ranks, ["--quiet"])
    #expect(outcome.stdout.isEmpty && outcome.stderr.isEmpty, "\(outcome)")
    #expect(try jobs.metrics("run").count == 23)
  }

  /// Runs nndist by bash, which closes or cuts its streams.
  private func bash(_ redirection: String) throws -> Outcome {
    let arguments = jobs.arguments("run").map { "'\($0)'" }.joined(separator: " ")
    return try run([
      "bash", "-c", "\(nndist) \(arguments) \(redirection); echo \"status ${PIPESTATUS[0]}\" >&2",
    ])
  }

  @Test func closedStreamLeavesItsNumberToNoFile() throws {
    let arguments = (jobs.arguments("run") + ["--epochs", "1000000"]).map { "'\($0)'" }
    let program = try StartedProgram([
      "bash", "-c", "exec \(nndist) \(arguments.joined(separator: " ")) <&- >&-",
    ])
    while program.isRunning && ((try? jobs.steps("run").count) ?? 0) < 5 { usleep(2000) }
    for descriptor in 0...1 {
      let path = "/proc/\(program.processIdentifier)/fd/\(descriptor)"
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "/dev/null")
    }
    program.send(SIGTERM)
    let outcome = try program.outcome()
    #expect(outcome.status == 75, "\(outcome)")
  }

  @Test(arguments: ["<&-", ">&-", "<&- >&-"])
  func closedStreamsDoNoHarm(redirection: String) throws {
    let outcome = try bash(redirection)
    #expect(outcome.stderr.hasSuffix("status 0\n"), "\(outcome)")
    #expect(try jobs.metrics("run").count == 23)
    let recipe = try run([nndist, "recipes", jobs.path("run") + "/recipe.yaml"])
    #expect(recipe.status == 0, "\(recipe)")
    try jobs.train("other")
    #expect(try jobs.bits("run") == jobs.bits("other"))
  }

  @Test(arguments: ["| head -1", "| true", "> /dev/full"])
  func readerThatGoesAwayDoesNotEndTheRun(redirection: String) throws {
    let outcome = try bash(redirection)
    #expect(outcome.stderr.hasSuffix("status 0\n"), "\(outcome)")
    #expect(try jobs.metrics("run", "end").first?["reason"] as? String == "completed")
  }

  /// script(1) gives a terminal: the bar is drawn, and that of each finished epoch stays.
  @Test func terminalShowsABar() throws {
    let arguments = jobs.arguments("run").map { "'\($0)'" }.joined(separator: " ")
    let outcome = try run([
      "script", "-qec", "stty cols 90; \(nndist) \(arguments)", "/dev/null",
    ])
    #expect(outcome.status == 0, "\(outcome)")
    let lines = outcome.stdout.split { $0 == "\r\n" || $0 == "\r" || $0 == "\n" }
    let bars = lines.filter { $0.contains("100%|█") }
    #expect(bars.count == 3, "\(outcome)")
    for bar in bars {
      let text = bar.replacing("\u{1B}[K", with: "")
      #expect(text.count < 90 && text.contains("| 5/5 [00:0") && text.contains(" steps/s, loss="))
    }
  }
}

/// Where runs go that were not given a place.
@Suite struct DefaultPlaceTests {
  @Test func runsAreNamedByRecipeAndTimeAndFoundAgain() throws {
    let jobs = Jobs()
    let inFolder = ["env", "-C", jobs.folder.path, nndist]
    let arguments = Jobs.small + ["--data", "data"]
    // Within one second: each has a name of its own.
    for _ in 0..<2 {
      let outcome = try run(inFolder + arguments + ["--max-steps", "7"])
      #expect(outcome.status == 0, "\(outcome)")
    }
    let runs = try FileManager.default.contentsOfDirectory(atPath: jobs.path("runs")).sorted()
    #expect(runs.count == 2)
    #expect(try runs.allSatisfy { try /fashion-mnist-\d{8}-\d{6}(-\d)?/.wholeMatch(in: $0) != nil })
    let resumed = try run(inFolder + arguments + ["--resume"])
    #expect(resumed.status == 0, "\(resumed)")
    #expect(resumed.stdout.contains("run directory: runs/\(runs[1])"), "\(resumed)")
    #expect(resumed.stdout.contains("resumed at step 7 of 15"))
  }
}
