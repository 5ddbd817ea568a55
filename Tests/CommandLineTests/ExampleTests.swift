import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import struct TestSupport.Outcome

/// The programs in Sources/Examples, and the command line of one with kinds of its own.
@Suite struct ExampleTests {
  private let examples = builtProduct("Examples")
  private let folder = TemporaryFolder()

  private func output(_ arguments: String..., ranks: Int = 1) throws -> String {
    let command = [examples] + arguments
    let outcome = ranks == 1 ? try run(command) : try mpirun(ranks: ranks, command)
    #expect(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    return outcome.stdout
  }

  @Test func smallExamplesPrintWhatTheyCompute() throws {
    #expect(try output("01-tensors").hasSuffix("[6.0, 15.0] [3, 2]\n"))
    // mean((w x - y)^2) at w = 1, x = 1, 2, 3, y = 2 x: 14 / 3; its derivative is -2 times that.
    let words = try output("02-gradient").split(separator: " ")
    #expect(abs(Double(words[1].dropLast())! - 14.0 / 3) < 1e-5)
    #expect(abs(Double(words[3].dropLast())! + 28.0 / 3) < 1e-5)
    #expect(try output("03-module").contains("195 parameters"))
    #expect(try output("06-dataset") == "300 samples, 3 batches an epoch\n")
  }

  @Test func anyNumberOfRanksPrintsTheSame() throws {
    for example in ["04-loop", "05-trainer"] {
      let alone = try output(example)
      #expect(alone.split(separator: "\n").count == 4, "\(alone)")
      for ranks in 2...4 { #expect(try output(example, ranks: ranks) == alone) }
    }
  }

  // MARK: - A program with kinds of its own

  private func recipe(_ model: String, data: String = "{dataset: spirals}") -> String {
    let path = folder.path + "/own-\(model.hashValue).yaml"
    let text = """
      name: own
      data: \(data)
      model: \(model)
      loss: cross-entropy
      optimizer: {kind: adam, lr: 0.01}
      batch_size: 30
      epochs: 3
      """
    try! text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test func ownNetworksTrainResumeAndPredict() throws {
    let yaml = recipe("{architecture: BlockNet, width: 9}")
    func weights(_ name: String) throws -> Data {
      try Data(
        contentsOf: URL(
          fileURLWithPath: folder.path + "/\(name)/checkpoints/latest/model.safetensors"))
    }
    for ranks in 1...3 {
      _ = try output(
        "train", yaml, "--shards", "5", "--run", folder.path + "/r\(ranks)", "--quiet",
        ranks: ranks)
    }
    #expect(try weights("r1") == weights("r2") && weights("r1") == weights("r3"))
    _ = try output(
      "train", yaml, "--shards", "5", "--run", folder.path + "/s", "--quiet", "--max-steps", "7",
      ranks: 2)
    #expect(try weights("s") != weights("r1"))
    _ = try output("train", "--resume", "--run", folder.path + "/s", "--quiet", ranks: 3)
    #expect(try weights("s") == weights("r1"))
    // The options that were not given have their defaults in the run's recipe.
    let kept = try String(contentsOfFile: folder.path + "/s/recipe.yaml", encoding: .utf8)
    #expect(kept.contains("architecture: BlockNet\n  width: 9\n  blocks: 2\n"))
    #expect(try output("eval", folder.path + "/r1").contains("train accuracy"))
    #expect(
      try output("predict", folder.path + "/r1").split(separator: "\n").count == 301)
    #expect(try output("recipes", yaml).contains("(blocks.1): ResidualBlock("))
  }

  @Test(arguments: [
    ("{architecture: BlockNet, widht: 9}", "model.widht: unknown key; did you mean width?"),
    ("{architecture: BlockNet, width: x}", "model.width: 'x' is not a whole number"),
    ("{architecture: BlockNet, width: 0}", "model.width: 0 is not allowed; it must be 1 to 4096"),
    ("{architecture: BlokNet}", "did you mean BlockNet?"),
  ])
  func optionsAreCheckedStrictly(model: String, message: String) throws {
    let yaml = recipe(model)
    for ranks in [1, 2] {
      let command = [examples, "train", yaml, "--run", folder.path + "/wrong"]
      let outcome = ranks == 1 ? try run(command) : try mpirun(ranks: ranks, command)
      expectError(outcome, 64, yaml + ":3: ", message)
    }
  }
}
