import Foundation
import Recipes
import TestSupport
import Testing

import enum Training.Safetensors

/// Every recipe trains on 1, 2 and 4 ranks to the same bits (issue 4, point 3). One after the other:
/// four ranks fill the machine.
@Suite(.serialized) struct RecipeBitsTests {
  /// Small pictures in place of MNIST and Fashion-MNIST; what is computed stays as it is.
  private static func change(_ recipe: Recipe, _ jobs: Jobs) -> [String] {
    guard DataSpec.ImageSet(rawValue: recipe.data.dataset) != nil else { return [] }
    let draws = ["--set", "data.sample.train=203", "--set", "data.sample.test=57"]
    return ["--data", jobs.data, "--batch-size", "50"] + (recipe.data.draws == nil ? [] : draws)
  }

  /// Trains with 4 shards on 1, 2 and 4 ranks, and expects the same files.
  /// - Parameter threads: of another run on one rank; nil: none.
  private func expectSameBits(
    _ jobs: Jobs, _ arguments: [String], threads: Int? = 2,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let ways: [(ranks: Int?, threads: Int)] = [(nil, 1), (2, 1), (4, 1)]
    for (ranks, threads) in ways + (threads.map { [(nil, $0)] } ?? []) {
      let name = "\(ranks ?? 1)x\(threads)"
      let outcome = try jobs.command(
        arguments + ["--shards", "4", "--threads", "\(threads)", "--run", name], ranks: ranks)
      try #require(outcome.status == 0, "\(name): \(outcome)", sourceLocation: location)
      let (state, first) = try (jobs.state(name), jobs.state("1x1"))
      #expect(state.step >= 1 && state.step == first.step, "\(name)", sourceLocation: location)
      // The SHA-256 of both files, which reading the state has verified.
      #expect(
        state.files.count == 2 && state.files == first.files, "\(name)", sourceLocation: location)
    }
  }

  @Test(arguments: BuiltInRecipe.all.map(\.name))
  func everyRecipeTrainsToTheSameBits(name: String) throws {
    let jobs = Jobs()
    let recipe = try #require(BuiltInRecipe.named(name)).text.recipe()
    let few = [name, "--max-steps", "2", "--eval-every", "0"]
    try expectSameBits(jobs, few + RecipeBitsTests.change(recipe, jobs), threads: nil)
  }

  @Test func randomLayersAndAugmentationTrainToTheSameBits() throws {
    let jobs = Jobs(train: 211)
    jobs.folder.write("mine.yaml", Jobs.augmentedRecipe)
    try expectSameBits(jobs, ["mine.yaml", "--max-steps", "4", "--eval-every", "0"])
  }

  @Test func earlyStoppingOnATableTrainsToTheSameBits() throws {
    let jobs = Jobs()
    jobs.writePets()
    let stopping = "evaluation={early_stopping: {patience: 2, min_delta: 0.2}}"
    try expectSameBits(jobs, ["pets.yaml", "--epochs", "40", "--set", stopping])
    #expect(try jobs.metrics("4x1", "end").last?["reason"] as? String == "early_stopping")
    #expect(try jobs.state("4x1") == jobs.state("1x1"))
  }

  @Test func noisyInputsAsTargetsTrainToTheSameBits() throws {
    let jobs = Jobs()
    jobs.writePets()
    jobs.folder.write("mine.yaml", Jobs.denoisingRecipe)
    try expectSameBits(jobs, ["mine.yaml", "--max-steps", "4"])
  }

  /// Dropout, augmentation and running statistics begin where they were left, on other ranks.
  @Test(arguments: [(1, 4), (2, 1), (4, 3)])
  func randomRunGoesOnToTheSameBits(before: Int, after: Int) throws {
    let jobs = Jobs(train: 211)
    jobs.folder.write("mine.yaml", Jobs.augmentedRecipe)
    let arguments = ["mine.yaml", "--shards", "4"]
    let whole = try jobs.command(arguments + ["--run", "whole"])
    let first = try jobs.command(arguments + ["--run", "run", "--max-steps", "2"], ranks: before)
    let second = try jobs.command(["--resume", "--run", "run"], ranks: after)
    for outcome in [whole, first, second] { try #require(outcome.status == 0, "\(outcome)") }
    #expect(second.stdout.contains("resumed at step 2 of 10"), "\(second)")
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    #expect(try jobs.state("run") == jobs.state("whole"))
  }
}

/// Batches that leave a shard with one sample, of which a batch norm can make nothing.
@Suite struct BatchNormRefusalTests {
  @Test(arguments: [nil, 2])
  func lastBatchThatIsTooSmallIsNamed(ranks: Int?) throws {
    let jobs = Jobs()
    jobs.folder.write("mine.yaml", Jobs.augmentedRecipe)
    let train = ["mine.yaml", "--shards", "4", "--run", "run"]
    expectError(
      try jobs.command(train, ranks: ranks), 64,
      "layer 7 normalizes over a shard's samples of a batch, and the last batch of an epoch has 3 for 4 shards",
      "each batch of the 203 samples has 8 or more")
    expectError(
      try jobs.command(train + ["--batch-size", "7"], ranks: ranks), 64,
      "the batches have 7 for 4 shards")
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
    // Of images the layer before sees many numbers of each channel.
    let images = ["model.layers.7={layer: ReLU}", "--max-steps", "5"]
    let outcome = try jobs.command(train + ["--set"] + images, ranks: ranks)
    #expect(outcome.status == 0, "\(outcome)")
  }
}

private let pythonWithTorch = python(with: "torch", "safetensors")

/// Batch normalization's statistics in a run's weights.
@Suite struct BatchNormWeightsTests {
  private struct Figures: Decodable {
    let loss: Double
    let correct: Int
    let tracked: [Int]
  }

  private func trained() throws -> Jobs {
    let jobs = Jobs(train: 211)
    jobs.folder.write("mine.yaml", Jobs.augmentedRecipe)
    let outcome = try jobs.command(["mine.yaml", "--shards", "4", "--run", "run"], ranks: 2)
    try #require(outcome.status == 0, "\(outcome)")
    return jobs
  }

  @Test func statisticsHavePyTorchsNames() throws {
    let jobs = try trained()
    let tensors = try Safetensors.read(
      jobs.path("run") + "/checkpoints/latest/model.safetensors")
    // nn.Sequential(...).state_dict().keys() of PyTorch 2.13, in its order.
    let names = [
      "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
      "1.num_batches_tracked", "6.weight", "6.bias", "7.weight", "7.bias", "7.running_mean",
      "7.running_var", "7.num_batches_tracked", "10.weight", "10.bias",
    ]
    #expect(Set(tensors.map(\.name)) == Set(names) && tensors.count == names.count)
    for (name, tensor) in tensors where name.contains("running_") {
      let untouched: Float = name.hasSuffix("mean") ? 0 : 1
      #expect(!tensor.values(Float.self).contains(untouched), "\(name)")
    }
    for (name, tensor) in tensors where name.hasSuffix("tracked") {
      #expect(tensor.values(Int64.self) == [10], "\(name)")
    }
  }

  // Needs PyTorch and safetensors in some Python ($NNDIST_PYTHON, python3, /tmp/venv).
  @Test(.enabled(if: pythonWithTorch != nil))
  func pyTorchTakesThemAndGivesTheSameFigures() throws {
    let jobs = try trained()
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/torch_batchnorm.py").path
    let outcome = try run([
      pythonWithTorch!, script, jobs.path("run") + "/checkpoints/latest", jobs.data,
    ])
    try #require(outcome.status == 0, "\(outcome)")
    let torch = try JSONDecoder().decode(Figures.self, from: Data(outcome.stdout.utf8))
    #expect(torch.tracked == [10, 10])
    let logged = try #require(try jobs.metrics("run", "eval").last)
    #expect(logged["correct"] as? Int == torch.correct)
    // Float arithmetic in another order: 1e-5 of some 2.
    let loss = try #require(logged["loss"] as? Double)
    #expect(abs(loss - torch.loss) < 1e-5 * torch.loss, "\(loss), not \(torch.loss)")
  }
}
