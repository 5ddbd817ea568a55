import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// Ranks that were not started alike.
@Suite struct UnlikeRanksTests {
  let jobs = Jobs()

  /// One rank with `first`, one with `second`.
  private func pair(_ first: [String], _ second: [String]) throws -> Outcome {
    try mpirun(
      ["-n", "1", nndist] + first + [":", "-n", "1", nndist] + second)
  }

  @Test func badOptionOfOneRankNamesIt() throws {
    let outcome = try pair(jobs.arguments("run"), ["--epoch", "1"])
    expectError(outcome, 64, "'--epochs'", "(rank 1 of 2, host ")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }

  @Test func differentLearningRatesAreNamed() throws {
    let outcome = try pair(
      jobs.arguments("run", ["--lr", "0.1"]), jobs.arguments("run", ["--lr", "0.2"]))
    expectError(outcome, 76, "optimizer.lr is 0.1 on rank 0 and 0.2 on rank 1 | start every rank")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }

  @Test func differentPrecisionsAreNamed() throws {
    let outcome = try pair(
      jobs.arguments("run", ["--precision", "bf16"]), jobs.arguments("run"))
    expectError(outcome, 76, "precision is bf16 on rank 0 and float32 on rank 1 | start every rank")
  }

  @Test func ranksThatHaveTheSameAreNamedTogether() throws {
    func rank(_ more: [String]) -> [String] { ["-n", "1", nndist] + jobs.arguments("run", more) }
    let outcome = try mpirun(
      rank([]) + [":"] + rank(["--set", "model.layers.2.layer=Tanh", "--batch-size", "51"]) + [":"]
        + rank([]))
    expectError(
      outcome, 76, "model.layers.2.layer is ReLU on ranks 0, 2 and Tanh on rank 1 (1 more key")
  }

  /// Before anything else: ranks of other builds need not even agree on what an option means.
  @Test func differentBinariesAreNamed() throws {
    let arguments = jobs.arguments("run", ["--lr", "0.1"])
    let outcome = try mpirun(
      ["-n", "1", nndist] + arguments + [":", "-n", "2", faultyNNDist, "--no-such-option"])
    expectError(outcome, 76, "different builds of this program: build id ")
    let ids = outcome.stderr.matches(of: #/([0-9a-f]{40}) on (ranks? [0-9, ]+) /#)
    try #require(ids.count == 2, "\(outcome)")
    #expect(ids[0].1 != ids[1].1 && ids[0].2 == "rank 0" && ids[1].2 == "ranks 1, 2", "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }

  /// One pixel of the last sample, which is another rank's to train on.
  @Test func differentDataAreNamed() throws {
    jobs.folder.writeImages(train: 203, test: 57, in: "other")
    let file = jobs.path("other") + "/" + trainImagesName
    var bytes = contents(file)
    bytes[bytes.count - 1] ^= 1
    jobs.folder.write("other/" + trainImagesName, bytes)
    let outcome = try pair(
      jobs.arguments("run"), jobs.arguments("run", ["--data", jobs.path("other")]))
    expectError(
      outcome, 76, "the ranks read different training data: digest ",
      " on rank 0 (\(jobs.data)/\(trainImagesName) on ", " on rank 1 (\(file) on ")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }

  /// The same samples may lie elsewhere, and be gzipped.
  @Test func sameDataElsewhereAreTheSame() throws {
    jobs.folder.writeImages(train: 203, test: 57, in: "other")
    let file = jobs.path("other") + "/" + trainImagesName
    jobs.folder.write("other/\(trainImagesName).gz", gzipped(contents(file)))
    unlink(file)
    let outcome = try pair(
      jobs.arguments("run"), jobs.arguments("run", ["--data", jobs.path("other")]))
    #expect(outcome.status == 0, "\(outcome)")
  }

  /// What is no part of the recipe but decides what ranks do together: they would wait for each
  /// other for ever.
  @Test(arguments: [
    (["--max-steps", "3"], ["--max-steps", "6"], "--max-steps is 3 on rank 0 and 6 on rank 1"),
    (["--max-steps", "3"], [], "--max-steps is 3 on rank 0 and not given on rank 1"),
    (["--eval-every", "0"], [], "--eval-every is 0 on rank 0 and not given on rank 1"),
    (["--checkpoint-every", "2"], [], "--checkpoint-every is 2 on rank 0 and not given on rank 1"),
    (["--init", "/x"], [], "--init is given on rank 0 and not given on rank 1"),
    (["--folds", "3"], [], "--folds is 3 on rank 0 and not given on rank 1"),
  ])
  func differentOptionsAreNamed(first: [String], second: [String], part: String) throws {
    let outcome = try pair(jobs.arguments("run", first), jobs.arguments("run", second))
    expectError(outcome, 76, part)
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }

  /// --threads, --quiet and --log-every are each rank's own affair, and where the data lie on its
  /// host is looked up there.
  @Test func whatIsEachRanksOwnAffairMayDiffer() throws {
    let outcome = try pair(
      jobs.arguments("run", ["--threads", "1", "--quiet"]),
      jobs.arguments("run", ["--threads", "2", "--log-every", "3"]))
    #expect(outcome.status == 0, "\(outcome)")
    try jobs.train("alone")
    #expect(try jobs.bits("run") == jobs.bits("alone"))
  }

  /// The same command line on every rank, but one host lacks the data.
  @Test func rankWithoutDataIsNamed() throws {
    let arguments = jobs.arguments("run", ["--data", "data"])
    let outcome = try mpirun(
      ["-wdir", jobs.folder.path, "-n", "1", nndist] + arguments + [
        ":", "-wdir", "/", "-n", "1", nndist,
      ]
        + arguments)
    expectError(outcome, 66, "no fashion-mnist data", "(rank 1 of 2, host ", "apt-get install")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }
}

/// Data that changed while a run lay still (../shared/faults.md, 46).
@Suite struct ChangedDataTests {
  let jobs = Jobs()

  @Test(arguments: Launch.allCases)
  func dataThatChangedSinceTheSaveAreNamed(launch: Launch) throws {
    try jobs.train("run", ["--max-steps", "7"])
    let before = try (jobs.bits("run"), jobs.state("run"))
    let digest = try #require(before.1.dataDigest)
    #expect(digest.count == 16)
    var labels = contents(jobs.data + "/" + trainLabelsName)
    labels[labels.count - 1] ^= 1
    jobs.folder.write("data/" + trainLabelsName, labels)
    let outcome = try launch.nndist(jobs.arguments("run", ["--resume"]))
    expectError(
      outcome, 65,
      "\(jobs.data)/\(trainImagesName) is not what the run was trained on until step 7",
      "not \(digest)")
    #expect(try jobs.bits("run") == before.0)
    labels[labels.count - 1] ^= 1
    jobs.folder.write("data/" + trainLabelsName, labels)
    try jobs.train("run", ["--resume"])
    #expect(try jobs.state("run").dataDigest == digest)
  }

  @Test func dataThatAreMadeHaveNoDigest() throws {
    let outcome = try run(
      [nndist, "rings-1", "--max-steps", "1", "--run", jobs.path("run")])
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try jobs.state("run").dataDigest == nil)
  }
}
