import Foundation
import TestSupport
import Testing

/// The same recipe gives the same bits on any number of ranks and threads, uninterrupted or stopped
/// and resumed (issue 2, point 3). Batches and shards divide nothing: 203 samples, batches of 50.
@Suite struct SameBitsTests {
  let jobs = Jobs()

  @Test(arguments: [4, 7])
  func ranksAndThreadsChangeNoBit(shards: Int) throws {
    let shards = ["--shards", "\(shards)"]
    try jobs.train("one", shards + ["--threads", "1"])
    let bits = try jobs.bits("one")
    let steps = try jobs.steps("one")
    #expect(steps.count == 15)
    for (ranks, threads) in [(1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2)] {
      let name = "\(ranks)x\(threads)"
      try jobs.train(name, ranks: ranks, shards + ["--threads", "\(threads)"])
      let start = try #require(try jobs.metrics(name, "start").first)
      #expect(start["ranks"] as? Int == ranks && start["threads"] as? Int == threads)
      #expect(try jobs.bits(name) == bits, "\(name)")
      #expect(try jobs.steps(name) == steps, "\(name)")
      #expect(try jobs.state(name) == jobs.state("one"), "\(name)")
    }
  }

  @Test func convolutionsChangeNoBitEither() throws {
    let conv = [
      nndist, "mnist-conv", "--set", "data.sample=null", "--data", jobs.data, "--epochs", "1",
      "--shards", "4", "--run",
    ]
    #expect(try run(conv + [jobs.path("one")]).status == 0)
    let bits = try jobs.bits("one")
    for ranks in 2...4 {
      #expect(try mpirun(ranks: ranks, conv + [jobs.path("\(ranks)")]).status == 0)
      #expect(try jobs.bits("\(ranks)") == bits, "\(ranks) ranks")
    }
  }

  /// A batch that is the whole split in the same order is kept, behind the modules in front that have no
  /// parameters; a process that takes one step makes it anew. Evaluations are in between.
  @Test func batchThatStaysTheSameIsTheOneMadeAnew() throws {
    let steps = [
      nndist, "threeblue", "--data", jobs.data, "--batch-size", "203", "--epochs", "4", "--shards",
      "4", "--set", "evaluation.every=1",
    ]
    #expect(try run(steps + ["--run", jobs.path("whole")]).status == 0)
    #expect(try run(steps + ["--run", jobs.path("run"), "--max-steps", "1"]).status == 0)
    for last in 2...4 {
      let resumed = [nndist, "--resume", "--run", jobs.path("run"), "--max-steps", "\(last)"]
      #expect(try run(resumed).status == 0)
    }
    #expect(try jobs.state("run").step == 4)
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }

  /// Not a constant: what the runs above agree on depends on all of these.
  @Test func bitsDependOnTheRecipe() throws {
    try jobs.train("one")
    let bits = try jobs.bits("one")
    for (name, change) in [
      ("seed", ["--seed", "1"]), ("shards", ["--shards", "5"]), ("order", ["--no-shuffle"]),
      ("batch", ["--batch-size", "51"]), ("rate", ["--lr", "0.00100001"]),
    ] {
      try jobs.train(name, change)
      #expect(try jobs.bits(name) != bits, "\(name)")
    }
  }

  /// Stops in the middle of an epoch, at its end, and before the first step.
  @Test(arguments: [(4, 7, 2, 3), (4, 10, 4, 1), (4, 0, 1, 4), (7, 8, 1, 2), (7, 14, 3, 4)])
  func stoppedRunGoesOnToTheSameBits(shards: Int, stop: Int, before: Int, after: Int) throws {
    let shards = ["--shards", "\(shards)"]
    try jobs.train("whole", shards)
    let outcome = try jobs.train("run", ranks: before, shards + ["--max-steps", "\(stop)"])
    #expect(outcome.stdout.contains("reached --max-steps"))
    #expect(try jobs.state("run").step == stop)
    #expect(try jobs.metrics("run", "end").last?["reason"] as? String == "max_steps")
    // Without --shards: the checkpoint says how many.
    try jobs.train("run", ranks: after, shards + ["--resume"])
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    #expect(try jobs.steps("run") == jobs.steps("whole"))
    #expect(try jobs.state("run") == jobs.state("whole"))
    #expect(try jobs.metrics("run", "end").last?["reason"] as? String == "completed")
  }

  @Test func shardsAreTheFirstLaunchsRanksUnlessGiven() throws {
    let arguments = jobs.arguments("run", ["--max-steps", "7", "--set", "shards=null"])
      .filter { $0 != "--shards" && $0 != "4" }
    #expect(try mpirun(ranks: 3, [nndist] + arguments).status == 0)
    #expect(try jobs.state("run").shards == 3)
    let resumed = try run([nndist, "--resume", "--run", jobs.path("run"), "--log-every", "1"])
    #expect(resumed.status == 0, "\(resumed)")
    try jobs.train("whole", ["--shards", "3"])
    #expect(try jobs.bits("run") == jobs.bits("whole"))
  }

  @Test(arguments: [1, 2])
  func recipeOfARunTrainsToTheSameBits(ranks: Int) throws {
    try jobs.train("run", ranks: 2, ["--lr", "0.00123", "--seed", "18446744073709551615"])
    let again = [nndist, jobs.path("run") + "/recipe.yaml", "--run", jobs.path("again")]
    let outcome = ranks == 1 ? try run(again) : try mpirun(ranks: ranks, again)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try jobs.bits("again") == jobs.bits("run"))
    #expect(
      contents(jobs.path("again") + "/recipe.yaml") == contents(jobs.path("run") + "/recipe.yaml"))
  }

  /// A new recipe from the next epoch on, and the run says so.
  @Test func dealingAnewIsTheSameOnAnyRanks() throws {
    try jobs.train("run", ["--max-steps", "7"])
    try jobs.copy("run", to: "two")
    for (name, ranks) in [("run", 1), ("two", 2)] {
      let outcome = try jobs.train(name, ranks: ranks, ["--resume", "--shards", "3"])
      let note = "note: from epoch 3 on the samples are dealt over 3 shards instead of 4"
      #expect(outcome.stdout.components(separatedBy: note).count == 2, "\(outcome)")
      #expect(try jobs.state(name).shards == 3)
    }
    #expect(try jobs.bits("run") == jobs.bits("two"))
    #expect(try jobs.steps("run") == jobs.steps("two"))
    // The rest of the begun epoch keeps its shards; then comes another order.
    try jobs.train("whole")
    #expect(try jobs.steps("run")[..<10] == jobs.steps("whole")[..<10])
    #expect(try jobs.steps("run")[10] != jobs.steps("whole")[10])
  }

  @Test func dealingAnewBetweenEpochsIsSaidToo() throws {
    try jobs.train("run", ["--max-steps", "5"])
    let outcome = try jobs.train("run", ["--resume", "--shards", "3"])
    #expect(outcome.stdout.contains("3 shards instead of 4"), "\(outcome)")
    #expect(try jobs.state("run").shards == 3)
  }

  @Test func moreRanksThanTheRunsShardsAreRefused() throws {
    try jobs.train("run", ["--shards", "3", "--max-steps", "7"])
    let outcome = try mpirun(
      ranks: 4, [nndist, "--resume", "--run", jobs.path("run")])
    expectError(outcome, 64, "4 ranks for 3 shards")
  }

  @Test func moreShardsThanSamplesTrainToTheSameBits() throws {
    jobs.folder.writeImages(train: 5, test: 3)
    let few = ["--shards", "7", "--batch-size", "2"]
    let outcome = try jobs.train("one", few)
    #expect(outcome.stderr.contains("warning: 5 samples leave some of the 7 shards empty"))
    try jobs.train("four", ranks: 4, few)
    #expect(try jobs.bits("one") == jobs.bits("four"))
  }

  @Test func gzippedFilesGiveTheSameBits() throws {
    try jobs.train("plain")
    for name in [trainImagesName, trainLabelsName, testImagesName, testLabelsName] {
      jobs.folder.write(
        "zipped/FashionMNIST/raw/\(name).gz", gzipped(contents(jobs.data + "/" + name)))
    }
    try jobs.train("run", ranks: 2, ["--data", jobs.path("zipped")])
    #expect(try jobs.bits("run") == jobs.bits("plain"))
  }

  /// Weights from a file reach every rank, also when the run is resumed before its first step.
  @Test func initialWeightsReachEveryRank() throws {
    try jobs.train("other", ["--seed", "9", "--max-steps", "3"])
    let from = ["--init", jobs.path("other") + "/checkpoints/latest/model.safetensors"]
    try jobs.train("one", from)
    try jobs.train("three", ranks: 3, from)
    #expect(try jobs.bits("three") == jobs.bits("one"))
    try jobs.train("run", from + ["--max-steps", "0"])
    try jobs.train("run", ranks: 2, ["--resume"])
    #expect(try jobs.bits("run") == jobs.bits("one"))
    try jobs.train("plain")
    #expect(try jobs.bits("plain") != jobs.bits("one"))
  }
}

/// Where the data lie decides nothing.
@Suite struct DataPlaceTests {
  let jobs = Jobs()

  @Test func dataElsewhereIsTheSameRecipe() throws {
    try jobs.train("whole")
    try jobs.train("run", ["--max-steps", "7"])
    try jobs.copy("data", to: "moved")
    let outcome = try jobs.train("run", ["--resume", "--data", jobs.path("moved")])
    #expect(!outcome.stdout.contains("recipe changed"), "\(outcome)")
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    let command = [nndist] + jobs.arguments("pair") + ["--data"]
    let pair = try mpirun(
      ["-n", "1"] + command + [jobs.data, ":", "-n", "1"] + command + [jobs.path("moved")])
    #expect(pair.status == 0, "\(pair)")
    #expect(try jobs.bits("pair") == jobs.bits("whole"))
  }

  @Test func recipeOfARunCanBeUsedFromAnywhere() throws {
    let arguments = jobs.arguments("run", ["--data", "data"])
    let shell = "cd '\(jobs.folder.path)' && exec \"$@\""
    #expect(try run(["sh", "-c", shell, "sh", nndist] + arguments).status == 0)
    let outcome = try run([nndist, "eval", jobs.path("run")])
    #expect(outcome.status == 0, "\(outcome)")
  }
}

/// Runs that are asked to stop.
@Suite(.waiting) struct StopTests {
  /// mpirun passes SIGUSR1 on to its ranks, as Slurm does before the time limit.
  @Test func signalToMpirunStopsAndTheRunGoesOnToTheSameBits() throws {
    let jobs = Jobs()
    let long = ["--epochs", "400", "--eval-every", "0", "--checkpoint-every", "100000"]
    try jobs.train("whole", long)
    let program = try jobs.start("run", ranks: 2, long)
    program.send(SIGUSR1)
    let outcome = try program.outcome()
    #expect(outcome.status == 75, "\(outcome)")
    #expect(
      outcome.stderr.components(separatedBy: "nndist: stopped by SIGUSR1; go on with: ").count == 2,
      "\(outcome)")
    let step = try jobs.state("run").step
    #expect(step >= 5 && step < 2000)
    try jobs.train("run", ranks: 3, long + ["--resume"])
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    #expect(try jobs.steps("run") == jobs.steps("whole"))
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGUSR2])
  func otherSignalsStopToo(signal: Int32) throws {
    let jobs = Jobs()
    let program = try jobs.start(
      "run", ["--epochs", "1000000", "--eval-every", "0", "--checkpoint-every", "100000000"])
    program.send(signal)
    let outcome = try program.outcome()
    #expect(outcome.status == 75, "\(outcome)")
    #expect(try jobs.metrics("run", "step").count == jobs.state("run").step)
  }

  @Test func stopOfARunThatSavesNothingSaysSo() throws {
    let jobs = Jobs()
    let program = try jobs.start(
      "run", ["--epochs", "1000000", "--eval-every", "0", "--checkpoint-every", "0"])
    program.send(SIGTERM)
    let outcome = try program.outcome()
    #expect(outcome.status == 75 && outcome.stderr.contains("nothing was saved"), "\(outcome)")
    #expect(jobs.checkpoints("run") == [])
  }

  /// Each epoch is one step, so that any stop comes at an epoch's end: its evaluation is not lost.
  @Test func stopAtTheEndOfAnEpochEvaluatesFirst() throws {
    let jobs = Jobs(train: 40, test: 20)
    let program = try jobs.start("run", ["--epochs", "1000000", "--checkpoint-every", "100000000"])
    program.send(SIGTERM)
    let outcome = try program.outcome()
    #expect(outcome.status == 75, "\(outcome)")
    let step = try jobs.state("run").step
    #expect(try jobs.metrics("run", "eval").map { $0["step"] as? Int } == (1...step).map { $0 })
  }
}
