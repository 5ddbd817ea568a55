import Foundation
import TestSupport
import Testing

/// Bad input: one message and a status, no hang, alone and on four ranks; nothing is
/// trained and nothing left behind (issue 2, point 6).
@Suite struct RefusalTests {
  let jobs = Jobs()

  /// Runs a job that must be refused with `status` and a line that holds `parts`.
  private func refused(
    _ launch: Launch, _ status: Int32, _ more: [String], parts: [String],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try launch.nndist(jobs.arguments("run", more))
    expectError(outcome, status, at: location)
    for part in parts {
      #expect(outcome.stderr.contains(part), "\(part): \(outcome)", sourceLocation: location)
    }
    #expect(
      !FileManager.default.fileExists(atPath: jobs.path("run")), "a run directory was left",
      sourceLocation: location)
  }

  @Test(arguments: Launch.allCases)
  func folderWithoutDataSaysWhatToInstall(launch: Launch) throws {
    try refused(
      launch, 66, ["--data", "/nonexistent"],
      parts: [
        "no fashion-mnist data: /nonexistent", "apt-get install dataset-fashion-mnist",
        "--data DIR",
      ])
  }

  @Test(arguments: Launch.allCases)
  func missingMNISTSaysWhatToBring(launch: Launch) throws {
    let outcome = try launch.nndist(["mnist-mlp", "--run", jobs.path("run")])
    expectError(outcome, 66, "mnist", "--data DIR", "train-images-idx3-ubyte")
  }

  @Test(arguments: Launch.allCases, [trainImagesName, testLabelsName])
  func truncatedGzipIsNamed(launch: Launch, file: String) throws {
    let zipped = gzipped(contents(jobs.data + "/" + file))
    unlink(jobs.data + "/" + file)
    jobs.folder.write("data/\(file).gz", Array(zipped[..<(zipped.count * 2 / 3)]))
    try refused(
      launch, 65, [],
      parts: [
        "\(jobs.data)/\(file).gz: the gzip data are cut short at byte \(zipped.count * 2 / 3)"
      ])
  }

  @Test(arguments: Launch.allCases)
  func headerThatLiesIsNamed(launch: Launch) throws {
    jobs.folder.write("data/\(trainImagesName)", idx([60000, 28, 28], noise(203 * 784)))
    try refused(
      launch, 65, [],
      parts: [
        "\(jobs.data)/\(trainImagesName) declares 60000 x 28 x 28", "makes 47040016 bytes",
        "ends at byte \(203 * 784 + 16)",
      ])
  }

  @Test(arguments: Launch.allCases)
  func imagesOfAnotherSizeAreNamed(launch: Launch) throws {
    jobs.folder.write("data/\(trainImagesName)", idx([203, 32, 32], noise(203 * 1024)))
    try refused(launch, 65, [], parts: ["its images are [32, 32], fashion-mnist takes [28, 28]"])
  }

  @Test(arguments: Launch.allCases, [trainLabelsName, testLabelsName])
  func labelOutOfRangeIsNamedWithItsIndex(launch: Launch, file: String) throws {
    var labels = contents(jobs.data + "/" + file)
    labels[8 + 41] = 200
    jobs.folder.write("data/\(file)", labels)
    try refused(
      launch, 65, [],
      parts: ["\(jobs.data)/\(file): sample 41 (byte 49) has the label 200; allowed are 0 ... 9"])
  }

  static let wrongOptions: [(arguments: [String], part: String)] = [
    (["--batch-size", "0"], "--batch-size 0 is not allowed; it must be 1 or more"),
    (["--epoch", "1"], "Unknown option '--epoch'. Did you mean '--epochs'?"),
    (["--set", "epoch=1"], "epoch: unknown key; did you mean epochs?"),
    // The first three run on four ranks too.
    (["--set", "optimizer.eps=-1"], "optimizer.eps: -1.0 is not allowed; it must be 0 or more"),
    (["--epochs", "five"], "'five' is invalid for '--epochs <epochs>'"),
    (["--lr"], "Missing value for '--lr <lr>'"),
    (["--lr", "nan"], "optimizer.lr: nan is not allowed"),
    (["--threads", "0"], "--threads 0 is not allowed"),
    (["--shards", "0"], "--shards 0 is not allowed"),
    (["--set", "epochs"], "--set epochs has no value; write --set KEY=VALUE"),
    (
      ["--set", "model.layers.1.out_features=17"],
      "model.layers.3: Linear with in_features 16 gets [17]"
    ),
    (["--run", ""], "--run has an empty value"),
    (["another", "argument"], "2 unexpected arguments: 'another', 'argument'"),
  ]

  @Test(arguments: wrongOptions)
  func wrongOptionsAreUsageErrors(wrong: (arguments: [String], part: String)) throws {
    try refused(.alone, 64, wrong.arguments, parts: [wrong.part])
  }

  @Test(arguments: wrongOptions[..<3])
  func wrongOptionsOnManyRanksAreOneError(wrong: (arguments: [String], part: String)) throws {
    try refused(.onFourRanks, 64, wrong.arguments, parts: [wrong.part])
  }

  @Test(arguments: Launch.allCases)
  func unknownRecipeGivesTheNearestName(launch: Launch) throws {
    let outcome = try launch.nndist(
      ["train", "fashion-minst", "--run", jobs.path("run")])
    expectError(outcome, 64, "there is no recipe fashion-minst", "did you mean fashion-mnist?")
  }

  @Test(arguments: Launch.allCases)
  func missingRecipeFileIsNamed(launch: Launch) throws {
    let outcome = try launch.nndist(["train", "none.yaml"])
    expectError(outcome, 66, "cannot open none.yaml", "No such file or directory")
  }

  @Test func ranksBeyondTheShardsAreRefused() throws {
    try refused(
      .onFourRanks, 64, ["--shards", "3"], parts: ["4 ranks for 3 shards", "at most 3 ranks"])
  }

  @Test(arguments: Launch.allCases)
  func initialWeightsThatDoNotFitAreNamed(launch: Launch) throws {
    let garbage = jobs.folder.write("garbage.safetensors", "not weights at all")
    for (file, status, part) in [
      (garbage, Int32(65), "\(garbage): byte 0 declares a header of"),
      (jobs.path("none"), 66, "cannot open \(jobs.path("none"))"),
    ] { try refused(launch, status, ["--init", file], parts: [part]) }
  }

  @Test(arguments: Launch.allCases)
  func weightsOfAnotherNetworkAreNamed(launch: Launch) throws {
    try jobs.train("other", ["--max-steps", "1", "--set", "model.layers.1.name=hidden"])
    let file = jobs.path("other") + "/checkpoints/latest/model.safetensors"
    try refused(
      launch, 65, ["--init", file],
      parts: ["\(file) has no tensor 1.weight", "it belongs to another model; check the recipe"])
    let wider = [
      "--set", "model.layers.1.out_features=24", "--set", "model.layers.3.in_features=24",
    ]
    try jobs.train("wider", ["--max-steps", "1"] + wider)
    try refused(
      launch, 65, ["--init", jobs.path("wider") + "/checkpoints/latest/model.safetensors"],
      parts: ["tensor 1.weight is float32 [24, 784], the model's is float32 [16, 784]"])
  }
}

/// Run directories that must not be touched.
@Suite struct RunDirectoryRefusalTests {
  let jobs = Jobs()

  @Test(arguments: Launch.allCases)
  func placeWithOtherThingsInItIsLeftAlone(launch: Launch) throws {
    let notes = jobs.folder.write("home/notes.txt", "mine")
    expectError(
      try launch.nndist(jobs.arguments("home")), 73,
      "\(jobs.path("home")) is not empty and holds no run", "--run DIR")
    expectError(
      try launch.nndist(jobs.arguments("home", ["--resume"])), 73,
      "is not empty")
    expectError(
      try launch.nndist(jobs.arguments("home/notes.txt")), 73,
      "not a directory"
    )
    #expect(contents(notes) == Array("mine".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: jobs.path("home")) == ["notes.txt"])
  }

  @Test(arguments: Launch.allCases)
  func runIsNotBegunAnewWithoutResume(launch: Launch) throws {
    try jobs.train("run", ["--max-steps", "7"])
    let before = try (jobs.bits("run"), jobs.metrics("run").count)
    expectError(
      try launch.nndist(jobs.arguments("run")), 73,
      "\(jobs.path("run")) already holds a run", "--resume")
    #expect(try jobs.bits("run") == before.0)
    #expect(try jobs.metrics("run").count == before.1)
  }

  @Test func placeThatCannotBeMadeIsNamed() throws {
    let outcome = try run([nndist] + jobs.arguments("x", ["--run", "/proc/nndist"]))
    expectError(outcome, 73, "cannot make /proc/nndist/checkpoints: No such file or directory")
  }

  @Test(arguments: Launch.allCases)
  func whatARunCannotChangeOnItsWayIsNamed(launch: Launch) throws {
    try jobs.train("run", ["--max-steps", "7"])
    for (change, part) in [
      (["--seed", "1"], "seed (0, not 1)"), (["--batch-size", "64"], "batch_size (50, not 64)"),
      (["--no-shuffle"], "shuffle"),
      (["--set", "optimizer.kind=sgd", "--set", "optimizer={kind: sgd, lr: 1}"], "optimizer.kind"),
    ] {
      expectError(
        try launch.nndist(jobs.arguments("run", ["--resume"] + change)), 64,
        "was made with another \(part)")
      if launch == .onFourRanks { break }
    }
  }

  /// A run in use is named with its holder; asked to stop, the holder ends with 75 and can go on.
  @Test(arguments: [1, 2])
  func runInUseIsNamedWithItsHolder(ranks: Int) throws {
    let long = ["--epochs", "1000000", "--eval-every", "0", "--checkpoint-every", "100000000"]
    let program = try jobs.start("run", ranks: ranks, long)
    for launch in Launch.allCases {
      let second = try launch.nndist(
        jobs.arguments("run", long + ["--resume"]))
      expectError(second, 73, "\(jobs.path("run")) is in use by another run (pid ", "--run DIR")
      if ranks == 1 { expectError(second, 73, "(pid \(program.processIdentifier) on host ") }
      expectError(
        try launch.nndist(jobs.arguments("run", long)), 73,
        "is in use by another run (pid ")
    }
    program.send(ranks == 1 ? SIGTERM : SIGUSR1)
    let first = try program.outcome()
    #expect(first.status == 75, "\(first)")
    let signal = ranks == 1 ? "SIGTERM" : "SIGUSR1"
    #expect(
      first.stderr.contains("nndist: stopped by \(signal); go on with: nndist --resume --run "))
    #expect(!first.stderr.contains("error: "))
    let end = try #require(try jobs.metrics("run", "end").last)
    #expect(end["reason"] as? String == "stopped")

    let step = try jobs.state("run").step
    #expect(step >= 5 && end["steps"] as? Int == step)
    try jobs.train("run", long + ["--resume", "--max-steps", "\(step + 3)"])
    let steps = try jobs.metrics("run", "step").map { $0["step"] as? Int ?? 0 }
    #expect(steps == Array(1...step + 3))
  }
}
