import Foundation
import System
import TestSupport
import Testing

import func System.fixed

/// `nndist train --folds`.
@Suite struct CrossValidationTests {
  let jobs = Jobs()
  private let arguments = ["pets.yaml", "--folds", "3", "--shards", "4", "--epochs", "2"]

  init() { jobs.writePets(61) }

  @Test func everyFoldIsARunAndTheSummaryIsTheirMean() throws {
    let outcome = try jobs.command(arguments + ["--run", "cv"])
    try #require(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    let manager = FileManager.default
    #expect(
      try manager.contentsOfDirectory(atPath: jobs.path("cv")).sorted()
        == ["fold-1", "fold-2", "fold-3"])
    var values: [Double] = []
    var held = 0
    for fold in 1...3 {
      let start = try #require(try jobs.metrics("cv/fold-\(fold)", "start").first)
      let evaluations = try jobs.metrics("cv/fold-\(fold)", "eval")
      #expect(evaluations.count == 2)
      #expect(evaluations.allSatisfy { $0["split"] as? String == "validation" })
      let count = try #require(evaluations[0]["count"] as? Int)
      #expect((20...21).contains(count) && start["samples"] as? Int == 61 - count)
      held += count
      values.append(evaluations.map { $0["accuracy"] as? Double ?? .nan }.max()!)
    }
    #expect(held == 61)
    let mean = values.reduce(0, +) / 3
    // The sample's: two degrees of freedom.
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 2).squareRoot()
    let each = values.map { fixed($0, 4) }.joined(separator: ", ")
    let lines = outcome.stdout.split(separator: "\n")
    #expect(
      lines.last
        == "cross-validation, 3 folds: best validation accuracy \(fixed(mean, 4)), standard deviation \(fixed(deviation, 4)) (\(each))"
    )
    // In the order in which things happen, through a pipe too.
    let places = (1...3).flatMap { fold in
      [
        lines.firstIndex { $0 == "fold \(fold) of 3" },
        lines.firstIndex { $0 == "run directory: cv/fold-\(fold)" },
      ]
    }
    #expect(places.allSatisfy { $0 != nil })
    #expect(places.compactMap { $0 } == places.compactMap { $0 }.sorted(), "\(outcome)")
  }

  @Test func ranksChangeNoBitOfAFold() throws {
    for (name, ranks) in [("one", nil), ("two", 2)] as [(String, Int?)] {
      let outcome = try jobs.command(arguments + ["--run", name], ranks: ranks)
      try #require(outcome.status == 0, "\(outcome)")
      #expect(outcome.stdout.components(separatedBy: "cross-validation, ").count == 2)
    }
    for fold in 1...3 {
      #expect(try jobs.bits("one/fold-\(fold)") == jobs.bits("two/fold-\(fold)"))
      #expect(try jobs.state("one/fold-\(fold)") == jobs.state("two/fold-\(fold)"))
    }
    // Each holds out others.
    #expect(try jobs.bits("one/fold-1") != jobs.bits("one/fold-2"))
  }

  @Test(arguments: [nil, 2])
  func finishedOnesStayAsTheyAre(ranks: Int?) throws {
    let first = try jobs.command(arguments + ["--run", "cv"])
    let bits = try (1...3).map { try jobs.bits("cv/fold-\($0)") }
    let second = try jobs.command(arguments + ["--run", "cv", "--resume"], ranks: ranks)
    #expect(first.status == 0 && second.status == 0, "\(second)")
    for fold in 1...3 {
      let ends = try jobs.metrics("cv/fold-\(fold)", "end").map { $0["steps"] as? Int }
      #expect(ends.count == 2 && ends[0] == ends[1])
      #expect(try jobs.bits("cv/fold-\(fold)") == bits[fold - 1])
    }
    #expect(first.stdout.split(separator: "\n").last == second.stdout.split(separator: "\n").last)
  }

  /// The second fold was stopped, the third not begun.
  @Test func interruptedOneGoesOn() throws {
    #expect(try jobs.command(arguments + ["--run", "whole"]).status == 0)
    #expect(try jobs.command(arguments + ["--run", "cv"]).status == 0)
    try #require(try run(["rm", "-r", jobs.path("cv/fold-2"), jobs.path("cv/fold-3")]).status == 0)
    let part = ["--set", "data.split.folds=3", "--set", "data.split.fold=2", "--max-steps", "2"]
    let stopped = try jobs.command(
      ["cv/fold-1/recipe.yaml", "--run", "cv/fold-2"] + part)
    try #require(stopped.status == 0, "\(stopped)")
    let outcome = try jobs.command(arguments + ["--run", "cv", "--resume"])
    #expect(outcome.status == 0 && outcome.stdout.contains("resumed at step 2 of "), "\(outcome)")
    for fold in 1...3 {
      #expect(try jobs.bits("cv/fold-\(fold)") == jobs.bits("whole/fold-\(fold)"))
    }
  }

  @Test func withoutAPlaceTheNewestIsFound() throws {
    #expect(try jobs.command(arguments).status == 0)
    // A plain run of the same recipe is no cross-validation.
    #expect(try jobs.command(["pets.yaml", "--run", "runs/pets-29990101-000000"]).status == 0)
    let outcome = try jobs.command(arguments + ["--resume"])
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.stdout.components(separatedBy: "resumed at step ").count == 4, "\(outcome)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: jobs.path("runs")).count == 2)
  }

  @Test func whatDoesNotGoTogetherIsRefused() throws {
    for (more, part) in [
      (["--folds", "1"], "--folds 1 is not allowed; it must be 2 or more"),
      (["--set", "data.split.validation=0.1"], "a fold is the validation split already"),
    ] {
      expectError(try jobs.command(arguments + ["--run", "cv"] + more), 64, part)
    }
    expectError(
      try jobs.command(["--folds", "3", "--resume", "--run", "cv"]), 64, "needs the recipe")
    expectError(
      try jobs.command(["pets.yaml", "--folds", "62", "--run", "cv"]), 65,
      "pets.csv: 62 folds are more than its samples, 61"
    )
    #expect(!FileManager.default.fileExists(atPath: jobs.path("cv/fold-1")))
  }

  @Test func stoppedOneSaysHowToGoOn() throws {
    let program = try StartedProgram(
      ["env", "-C", jobs.folder.path, nndist] + arguments
        + ["--run", "cv", "--epochs", "1000000", "--eval-every", "0", "--log-every", "1"])
    while program.isRunning && ((try? jobs.steps("cv/fold-1").count) ?? 0) < 5 { usleep(2000) }
    program.send(SIGTERM)
    let outcome = try program.outcome()
    #expect(outcome.status == 75, "\(outcome)")
    #expect(
      outcome.stderr
        == "nndist: stopped by SIGTERM; go on with: nndist pets.yaml --folds 3 --resume --run cv\n")
  }
}

/// Runs that end because nothing gets better.
@Suite struct EarlyStoppingTests {
  let jobs = Jobs()

  /// A learning rate of 0: the first evaluation is the best.
  static let hopeless = """
    name: hopeless
    data: {dataset: noise, inputs: 4, targets: 2, count: 41, split: {validation: 0.25}}
    model:
      layers:
        - {layer: Linear, in_features: 4, out_features: 2}
    loss: mse
    optimizer: {kind: sgd, lr: 0}
    batch_size: 10
    epochs: 30
    shards: 3
    evaluation: {early_stopping: {patience: 3}}
    """

  init() { jobs.folder.write("mine.yaml", EarlyStoppingTests.hopeless) }

  @Test(arguments: [nil, 2])
  func runThatGetsNoBetterEndsAfterItsPatience(ranks: Int?) throws {
    let outcome = try jobs.command(["mine.yaml", "--run", "run"], ranks: ranks)
    #expect(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    // 31 samples to train on are 4 steps; the first evaluation and 3 that were no better.
    #expect(
      outcome.stdout.contains(
        " s: step 16 of 120, nothing better since step 4, saved step 16\n"), "\(outcome)")
    #expect(outcome.stdout.contains("\nstopped early after "))
    let end = try #require(try jobs.metrics("run", "end").last)
    #expect(end["reason"] as? String == "early_stopping" && end["steps"] as? Int == 16)
    #expect(try jobs.metrics("run", "eval").count == 4)
    #expect(try jobs.state("run").best?.step == 4)
    let folder = jobs.path("run") + "/checkpoints/"
    let manager = FileManager.default
    #expect(try manager.destinationOfSymbolicLink(atPath: folder + "best") == "step-00000004")
    #expect(try manager.destinationOfSymbolicLink(atPath: folder + "latest") == "step-00000016")

    // It is at its end, on any ranks.
    for again in [nil, 3] as [Int?] {
      let resumed = try jobs.command(["--resume", "--run", "run"], ranks: again)
      #expect(resumed.status == 0 && resumed.stdout.contains("stopped early after "), "\(resumed)")
    }
    #expect(try jobs.metrics("run", "end").map { $0["steps"] as? Int } == [16, 16, 16])
    #expect(try jobs.metrics("run", "eval").count == 4)
  }

  /// Stopped between two evaluations, the run has not forgotten how many were no better.
  @Test func patienceOutlivesAStop() throws {
    #expect(try jobs.command(["mine.yaml", "--run", "run", "--max-steps", "10"]).status == 0)
    #expect(try jobs.state("run").evaluationsSinceBest == 1)
    let outcome = try jobs.command(["--resume", "--run", "run"])
    #expect(outcome.stdout.contains("step 16 of 120, nothing better since step 4"), "\(outcome)")
  }

  @Test func runThatGetsBetterGoesToItsEnd() throws {
    let outcome = try jobs.command([
      "mine.yaml", "--run", "run", "--set", "optimizer.lr=0.001", "--epochs", "6",
    ])
    #expect(outcome.status == 0 && outcome.stdout.contains("\ndone after "), "\(outcome)")
    #expect(try jobs.state("run").best?.step == 24)
  }

  /// A new patience lets the same run go on.
  @Test func morePatienceGoesOn() throws {
    #expect(try jobs.command(["mine.yaml", "--run", "run"]).status == 0)
    let outcome = try jobs.command([
      "--resume", "--run", "run", "--set", "evaluation.early_stopping.patience=5",
    ])
    #expect(outcome.stdout.contains("step 24 of 120, nothing better since step 4"), "\(outcome)")
  }
}
