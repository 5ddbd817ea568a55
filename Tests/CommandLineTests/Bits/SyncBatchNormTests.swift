import Foundation
import TestSupport
import Testing

import enum Training.Safetensors

/// `sync: true` of a recipe's batch norms: the statistics are those of the global batch.
@Suite struct SyncBatchNormTests {
  let jobs = Jobs()

  private func writeRecipe(
    _ recipe: String = Jobs.augmentedRecipe, layers: [String] = ["4}", "16}"]
  ) {
    var text = recipe
    for layer in layers {
      #expect(text.contains("num_features: \(layer)"))
      text = text.replacingOccurrences(
        of: "num_features: \(layer)", with: "num_features: \(layer.dropLast()), sync: true}")
    }
    jobs.folder.write("mine.yaml", text)
  }

  private func train(
    _ name: String, ranks: Int? = nil, _ more: [String],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let arguments = ["mine.yaml", "--log-every", "1", "--run", name]
    let outcome = try jobs.command(arguments + more, ranks: ranks)
    try #require(outcome.status == 0, "\(outcome)", sourceLocation: location)
  }

  /// Of batches of 9 and a last one of 4 over 1, 4 and 7 shards: some have one sample, some none.
  @Test(arguments: [1, 4, 7])
  func stepsArePyTorchsOfTheWholeBatch(shards: Int) throws {
    let golden = try GoldenRegression.read()
    golden.write(
      golden.whole, in: jobs, rate: 0.005,
      normalization: "{layer: BatchNorm1d, num_features: 6, sync: true}", [])
    try golden.train("run", in: jobs, ranks: min(shards, 3), ["--shards", "\(shards)"])
    try golden.expect("run", in: jobs, follows: golden.whole)
  }

  /// With four shards the plain layer sees other batches, and is another network.
  @Test func withoutSyncAShardsPartIsTheBatch() throws {
    let golden = try GoldenRegression.read()
    golden.write(
      golden.whole, in: jobs, rate: 0.005,
      normalization: "{layer: BatchNorm1d, num_features: 6, sync: true}", [])
    // 22 samples: two batches, and at least two for each of four shards.
    let shards = ["--batch-size", "11", "--shards", "4"]
    try golden.train("whole", in: jobs, shards)
    try golden.train("parts", in: jobs, shards + ["--set", "model.layers.1.sync=false"])
    let losses = try ["whole", "parts"].map { try jobs.steps($0)[0].loss }
    // Far more than a rounding.
    #expect(abs(losses[0] - losses[1]) > 1e-3 * losses[0])
  }

  /// Batches of 50 over 4 shards, and a last one of 3: one shard has none, and on 4 ranks one rank.
  @Test func ranksAndThreadsChangeNoBit() throws {
    writeRecipe()
    let shards = ["--shards", "4"]
    try train("one", shards + ["--threads", "1"])
    #expect(try jobs.steps("one").count == 10)
    for (ranks, threads) in [(1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2)] {
      let name = "\(ranks)x\(threads)"
      try train(name, ranks: ranks, shards + ["--threads", "\(threads)"])
      #expect(try jobs.bits(name) == jobs.bits("one"), "\(name)")
      #expect(try jobs.steps(name) == jobs.steps("one"), "\(name)")
      #expect(try jobs.state(name) == jobs.state("one"), "\(name)")
    }
    let tensors = try Safetensors.read(jobs.path("3x1") + "/checkpoints/latest/model.safetensors")
    for (name, tensor) in tensors where name.hasSuffix("num_batches_tracked") {
      #expect(tensor.values(Int64.self) == [10], "\(name)")
    }
  }

  /// 3 samples over 7 shards: some ranks have nothing to do but to meet.
  @Test func ranksWithoutSamplesTakePart() throws {
    writeRecipe()
    let few = ["--shards", "7", "--batch-size", "3", "--max-steps", "5", "--eval-every", "0"]
    try train("one", few)
    try train("four", ranks: 4, few)
    #expect(try jobs.bits("four") == jobs.bits("one"))
  }

  /// A layer with nothing to learn in front of it, and itself without, has no backward pass: its
  /// shards meet twice a step.
  @Test func layerWithoutABackwardPassIsMetToo() throws {
    jobs.writePets()
    jobs.folder.write(
      "mine.yaml",
      Jobs.petsRecipe.replacingOccurrences(
        of: "layers:\n",
        with: "layers:\n    - {layer: BatchNorm1d, num_features: 3, affine: false, sync: true}\n"))
    try train("one", ["--shards", "4"])
    try train("three", ranks: 3, ["--shards", "4"])
    #expect(try jobs.bits("three") == jobs.bits("one"))
  }

  @Test func stoppedRunGoesOnToTheSameBits() throws {
    writeRecipe()
    try train("whole", ["--shards", "4"])
    try train("run", ranks: 2, ["--shards", "4", "--max-steps", "3"])
    let resumed = try jobs.command(
      ["--resume", "--run", "run", "--log-every", "1"], ranks: 3)
    #expect(resumed.status == 0, "\(resumed)")
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    #expect(try jobs.steps("run") == jobs.steps("whole"))
  }

  @Test func dealingAnewIsTheSameOnAnyRanks() throws {
    writeRecipe()
    try train("one", ["--shards", "2", "--max-steps", "7"])
    try jobs.copy("one", to: "two")
    for (name, ranks) in [("one", nil), ("two", 2)] {
      let outcome = try jobs.command(
        ["--resume", "--run", name, "--shards", "5", "--epochs", "3"], ranks: ranks)
      #expect(outcome.status == 0 && outcome.stdout.contains("over 5 shards instead of 2"))
    }
    #expect(try jobs.bits("two") == jobs.bits("one"))
  }

  /// A plain layer beside one over the global batch.
  @Test(arguments: [nil, 2])
  func batchesOfOneSampleAreNothingToNormalizeOver(ranks: Int?) throws {
    writeRecipe(layers: ["16}"])
    let train = ["mine.yaml", "--shards", "4", "--run", "run"]
    expectError(
      try jobs.command(train + ["--batch-size", "101"], ranks: ranks), 64,
      "layer 7 normalizes over the global batch, and the last of an epoch has one sample",
      "each batch of the 203 samples has 2 or more")
    expectError(
      try jobs.command(train + ["--batch-size", "1"], ranks: ranks), 64,
      "the batches have one sample")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
    // 3 samples for 4 shards, of which the layer over images makes something by itself.
    let outcome = try jobs.command(train + ["--max-steps", "5", "--eval-every", "0"], ranks: ranks)
    #expect(outcome.status == 0, "\(outcome)")
  }

  @Test(arguments: Launch.allCases)
  func piecesOfABatchAreRefused(launch: Launch) throws {
    writeRecipe()
    expectError(
      try launch.nndist([jobs.path("mine.yaml"), "--data", jobs.data, "--micro-batch", "8"]), 64,
      "mine.yaml: micro_batch: layer 1 normalizes over the global batch (sync: true)",
      "set micro_batch to null, or the layer's sync to false")
  }

  @Test func layersArePrintedAsPyTorchPrintsThem() throws {
    writeRecipe(layers: ["16}"])
    let outcome = try jobs.command(["recipes", "mine.yaml"])
    // nn.SyncBatchNorm.convert_sync_batchnorm of PyTorch 2.13.
    let printed =
      "(7): SyncBatchNorm(16, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
    #expect(outcome.stdout.contains(printed), "\(outcome)")
    #expect(outcome.stdout.contains("(1): BatchNorm2d(4, "), "\(outcome)")
  }
}
