import Foundation
import TestSupport
import Testing

import enum Training.Safetensors

/// The recipe's `micro_batch`, and `--micro-batch`.
@Suite struct MicroBatchTests {
  let jobs = Jobs(train: 211)

  /// A convolution, dropout and augmentation: all but batch normalization, whose statistics are a
  /// piece's own. Without a step by Adam, which makes of a rounding anything.
  private func writeRecipe(normalized: Bool) {
    var text = Jobs.augmentedRecipe
    if !normalized {
      for layer in ["BatchNorm2d, num_features: 4", "BatchNorm1d, num_features: 16"] {
        #expect(text.contains(layer))
        text = text.replacingOccurrences(of: layer, with: "ReLU")
      }
    }
    jobs.folder.write(
      "mine.yaml",
      text.replacingOccurrences(of: "kind: adamw, lr: 0.01", with: "kind: sgd, lr: 0.1"))
  }

  private func train(
    _ name: String, ranks: Int? = nil, _ more: [String],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let arguments = ["mine.yaml", "--shards", "4", "--log-every", "1", "--run", name]
    let outcome = try jobs.command(arguments + more, ranks: ranks)
    try #require(outcome.status == 0, "\(outcome)", sourceLocation: location)
  }

  /// One shard in pieces of 5 and 4 samples: the running statistics take in every piece, and
  /// num_batches_tracked counts them, as PyTorch's loop of forward and backward passes does.
  @Test func accumulationIsPyTorchs() throws {
    let golden = try GoldenRegression.read()
    golden.write(
      golden.pieces, in: jobs, rate: 0.005,
      normalization: "{layer: BatchNorm1d, num_features: 6}", ["micro_batch: 5"])
    try golden.train("run", in: jobs, ["--shards", "1"])
    try golden.expect("run", in: jobs, follows: golden.pieces)
    #expect(golden.pieces.state["1.num_batches_tracked"] == [15])
    try golden.train("whole", in: jobs, ["--shards", "1", "--set", "micro_batch=null"])
    #expect(try jobs.steps("whole")[0].loss != jobs.steps("run")[0].loss)
  }

  /// Batches of 50 and a last one of 11 over 4 shards: 13 or 12 samples in 3 or 2 pieces, 3 or 2 in
  /// one.
  @Test(arguments: [false, true])
  func ranksAndThreadsChangeNoBit(normalized: Bool) throws {
    writeRecipe(normalized: normalized)
    let pieces = ["--micro-batch", "6"]
    try train("one", pieces + ["--threads", "1"])
    for (ranks, threads) in [(1, 2), (2, 1), (4, 1)] {
      let name = "\(ranks)x\(threads)"
      try train(name, ranks: ranks, pieces + ["--threads", "\(threads)"])
      #expect(try jobs.bits(name) == jobs.bits("one"), "\(name)")
      #expect(try jobs.steps(name) == jobs.steps("one"), "\(name)")
    }
    // A number that cuts differently is another recipe, and one that cuts nothing is as none.
    try train("other", ["--micro-batch", "5"])
    #expect(try jobs.bits("other") != jobs.bits("one"))
    try train("large", ["--micro-batch", "13"])
    try train("whole", [])
    #expect(try jobs.bits("large") == jobs.bits("whole"))
    guard normalized else { return }
    // Three pieces at most in each of four steps, and one in the fifth; twice.
    let tensors = try Safetensors.read(jobs.path("4x1") + "/checkpoints/latest/model.safetensors")
    for (name, tensor) in tensors where name.hasSuffix("num_batches_tracked") {
      #expect(tensor.values(Int64.self) == [2 * (4 * 3 + 1)], "\(name)")
    }
  }

  /// The sums are the same but for their roundings: dropout and augmentation go by the sample. In ten
  /// steps of SGD these grow to some 1e-6 of the loss; 1e-4 is allowed, and other samples or another
  /// dropout change it by far more.
  @Test func piecesGiveNearlyTheSameAsTheWhole() throws {
    writeRecipe(normalized: false)
    try train("whole", [])
    try train("other", ["--seed", "1"])
    let whole = try jobs.steps("whole")
    #expect(whole.count == 10)
    func largestChange(_ name: String) throws -> Float {
      let steps = try jobs.steps(name)
      return zip(steps, whole).map { abs($0.loss - $1.loss) / $1.loss }.max()!
    }
    for size in ["1", "5"] {
      try train(size, ["--micro-batch", size])
      #expect(try largestChange(size) < 1e-4)
      #expect(try jobs.bits(size) != jobs.bits("whole"))
    }
    #expect(try largestChange("other") > 1e-2)
  }

  @Test func stoppedRunGoesOnToTheSameBits() throws {
    writeRecipe(normalized: true)
    try train("whole", ["--micro-batch", "6"])
    try train("run", ranks: 2, ["--micro-batch", "6", "--max-steps", "3"])
    let resumed = try jobs.command(["--resume", "--run", "run", "--log-every", "1"], ranks: 3)
    #expect(resumed.status == 0, "\(resumed)")
    #expect(try jobs.bits("run") == jobs.bits("whole"))
    #expect(try jobs.steps("run") == jobs.steps("whole"))
    expectError(
      try jobs.command(["--resume", "--run", "run", "--micro-batch", "7"]), 64,
      "was made with another micro_batch (6, not 7)")
  }

  /// Bytes, and not time: the largest resident set of a process that has made five steps. The whole
  /// batch of 512 has the outputs of the convolution and of ReLU in memory at once, a piece a 16th of
  /// them.
  @Test func memoryIsBounded() throws {
    let jobs = Jobs(train: 512, test: 8)
    jobs.folder.write(
      "mine.yaml",
      """
      name: wide
      data: {dataset: idx, path: data}
      model:
        layers:
          - {layer: Conv2d, in_channels: 1, out_channels: 32, kernel_size: 3}
          - layer: ReLU
          - {layer: AvgPool2d, kernel_size: 2}
          - layer: Flatten
          - {layer: Linear, in_features: 5408, out_features: 10}
      loss: cross-entropy
      optimizer: {kind: sgd, lr: 0.01}
      batch_size: 512
      epochs: 1000000
      """)
    func largestBytes(_ name: String, _ more: [String]) throws -> Int {
      let program = try StartedProgram(
        [
          nndist, jobs.path("mine.yaml"), "--data", jobs.data, "--shards", "1", "--threads", "1",
          "--eval-every", "0", "--checkpoint-every", "0", "--log-every", "1", "--run",
          jobs.path(name),
        ] + more)
      let deadline = Date() + 120
      while (try? jobs.steps(name).count) ?? 0 < 5, program.isRunning, Date() < deadline {
        usleep(10_000)
      }
      let status = String(
        decoding: contents("/proc/\(program.processIdentifier)/status"), as: UTF8.self)
      program.send(SIGTERM)
      #expect(try program.outcome().status == 75)
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
      return try #require(Int(line.split(separator: " ").dropLast().last ?? "")) * 1024
    }
    let outputs = 2 * 512 * 32 * 26 * 26 * MemoryLayout<Float>.stride
    let whole = try largestBytes("whole", [])
    let pieces = try largestBytes("pieces", ["--micro-batch", "32"])
    #expect(whole - pieces > outputs * 15 / 16, "\(whole) bytes, in pieces \(pieces)")
  }

  @Test(arguments: Launch.allCases)
  func piecesOfOneSampleAreNothingToNormalizeOver(launch: Launch) throws {
    writeRecipe(normalized: true)
    let train = [jobs.path("mine.yaml"), "--data", jobs.data, "--shards", "4", "--run"]
    for (size, pieces) in [("2", "cuts 13 into 7 pieces"), ("1", "cuts 12 into 12 pieces")] {
      expectError(
        try launch.nndist(train + [jobs.path("run"), "--micro-batch", size]), 64,
        "layer 7 normalizes over a piece of a shard's samples, and micro_batch \(size) \(pieces), "
          + "the last of one sample", "set micro_batch to 3 or more")
    }
    #expect(!FileManager.default.fileExists(atPath: jobs.path("run")))
  }

  @Test func numbersThatAreNoneAreRefused() throws {
    for (arguments, part) in [
      (["--micro-batch", "0"], "--micro-batch 0 is not allowed; it must be 1 or more"),
      (["--set", "micro_batch=0"], "micro_batch: 0 is not allowed"),
    ] {
      expectError(try run([nndist] + jobs.arguments("run", arguments)), 64, part)
    }
  }
}
