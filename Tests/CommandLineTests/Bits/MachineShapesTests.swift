import Foundation
import TestSupport
import Testing

/// A recipe's bits on every shape of machine (issue 5, point 1): 16 shards on 1 to 16 ranks, which
/// their cores cannot hold; threads; the optimizer's state replicated or sharded; gradients added up
/// piece by piece. 211 samples, which no number divides, in batches of 50.
@Suite(.serialized) struct MachineShapesTests {
  /// How a run is launched: nothing of it may show in a bit.
  private struct Machine: CustomTestStringConvertible {
    var ranks = 1
    var threads = 1
    var isSharded = false

    var testDescription: String { "\(ranks)x\(threads)\(isSharded ? "-zero" : "")" }

    static let all =
      [1, 2, 3, 4, 5, 8, 16].map { Machine(ranks: $0) }
      + [Machine(threads: 2), Machine(ranks: 3, threads: 2)]
      + [2, 3, 16].map { Machine(ranks: $0, isSharded: true) }
    static let some = [
      Machine(), Machine(ranks: 3), Machine(threads: 2), Machine(ranks: 5, isSharded: true),
    ]
  }

  /// The second has batch norm over a shard's samples, the third over the batch's.
  static let networks = ["mlp", "conv", "conv-sync", "rnn"]

  /// Layers that see a sample of [1, 28, 28].
  private static func layers(_ network: String) -> String {
    switch network {
    case "mlp":
      """
        - layer: Flatten
        - {layer: Linear, in_features: 784, out_features: 16}
        - layer: ReLU
        - {layer: Linear, in_features: 16, out_features: 10}
      """
    case "conv", "conv-sync":
      """
        - {layer: Conv2d, in_channels: 1, out_channels: 4, kernel_size: 3, stride: 2}
        - {layer: BatchNorm2d, num_features: 4, sync: \(network == "conv-sync")}
        - layer: ReLU
        - {layer: MaxPool2d, kernel_size: 2}
        - layer: Flatten
        - {layer: Dropout, p: 0.3}
        - {layer: Linear, in_features: 144, out_features: 10}
      """
    default:
      """
        - {layer: View, shape: [28, 28]}
        - {layer: RNN, input_size: 28, hidden_size: 8}
        - layer: Flatten
        - {layer: Linear, in_features: 224, out_features: 10}
      """
    }
  }

  private static func jobs(_ network: String, _ more: String = "") -> Jobs {
    let jobs = Jobs(train: 211)
    jobs.folder.write(
      "mine.yaml",
      """
      name: \(network)
      data: {dataset: idx, path: data}
      model:
        layers:
      \(layers(network).replacing(/(?m)^/, with: "  "))
      loss: cross-entropy
      optimizer: {kind: adam, lr: 0.01}
      clip_norm: 1.5
      batch_size: 50
      epochs: 1
      shards: 16
      \(more)
      """)
    return jobs
  }

  private func expectSameBits(
    _ jobs: Jobs, _ machines: [Machine], at location: SourceLocation = #_sourceLocation
  ) throws {
    var first: [[UInt8]]?
    for machine in machines {
      let name = machine.testDescription
      let arguments =
        ["mine.yaml", "--run", name, "--eval-every", "0", "--threads", "\(machine.threads)"]
        + (machine.isSharded ? ["--zero"] : [])
      let outcome = try jobs.command(arguments, ranks: machine.ranks == 1 ? nil : machine.ranks)
      try #require(outcome.status == 0, "\(name): \(outcome)", sourceLocation: location)
      #expect(try jobs.state(name).step == 5, "\(name)", sourceLocation: location)
      let bits = try jobs.bits(name)
      #expect(bits == first ?? bits, "\(name)", sourceLocation: location)
      first = first ?? bits
    }
  }

  @Test(arguments: networks) func anyMachineGivesTheSameBits(network: String) throws {
    try expectSameBits(Self.jobs(network), Machine.all)
  }

  @Test(.enabled(if: canPlayTwoHosts, "needs root, ip and tc"), arguments: networks)
  func twoHostsGiveTheSameBits(network: String) throws {
    let jobs = Self.jobs(network)
    try expectSameBits(jobs, [Machine()])
    for (ranks, more) in [("2", []), ("3+1", ["--zero"]), ("1", ["--threads", "2"])] {
      let (outcome, _) = try twoHosts(
        ranks: ranks,
        ["env", "-C", jobs.folder.path, nndist, "mine.yaml", "--run", ranks, "--eval-every", "0"]
          + more)
      try #require(outcome.status == 0, "\(outcome)")
      #expect(try jobs.bits(ranks) == jobs.bits("1x1"), "\(ranks) ranks on each host, \(more)")
    }
  }

  /// Half the bytes, and the same bits as on one host.
  @Test(.enabled(if: canPlayTwoHosts, "needs root, ip and tc"))
  func roundedGradientsTakeHalfTheBytesBetweenHosts() throws {
    var sent: [Int] = []
    for compression in ["none", "bf16"] {
      let jobs = Self.jobs("mlp", "compress: \(compression)")
      try expectSameBits(jobs, [Machine()])
      let (outcome, bytes) = try twoHosts(
        ranks: "1",
        [
          "env", "-C", jobs.folder.path, nndist, "mine.yaml", "--run", "two", "--eval-every", "0",
          "--checkpoint-every", "0", "--epochs", "40",
        ])
      try #require(outcome.status == 0, "\(outcome)")
      sent.append(bytes.max()!)
    }
    // 200 steps of 13 000 floats; what starts and ends a run, and headers, are some 300 KB of the
    // 10 MB, and not halved.
    #expect(Double(sent[1]) < 0.55 * Double(sent[0]), "\(sent)")
  }

  @Test(arguments: ["mlp", "conv", "rnn"]) func anyMachineAddsPiecesUpToTheSameBits(network: String)
    throws
  {
    try expectSameBits(Self.jobs(network, "micro_batch: 2"), Machine.some)
  }

  @Test func anyMachineRoundsGradientsToTheSameBits() throws {
    let jobs = Self.jobs("mlp", "compress: bf16")
    try expectSameBits(jobs, Machine.some)
    // Other bits than without.
    let plain = Self.jobs("mlp")
    try expectSameBits(plain, [Machine()])
    #expect(try plain.bits("1x1") != jobs.bits("1x1"))
  }

  @Test(arguments: ["mlp", "conv"]) func anyMachineRoundsOperandsToTheSameBits(network: String)
    throws
  {
    let jobs = Self.jobs(network, "precision: bf16")
    try expectSameBits(jobs, Machine.some)
    // Other bits than without.
    let plain = Self.jobs(network)
    try expectSameBits(plain, [Machine()])
    #expect(try plain.bits("1x1") != jobs.bits("1x1"))
  }

  /// Stopped and resumed with the state sharded otherwise.
  @Test func shardedRunGoesOnReplicatedAndBack() throws {
    let jobs = Self.jobs("mlp")
    try expectSameBits(jobs, [Machine()])
    for (ranks, stop, isSharded) in [
      (3, "2", true), (2, "3", false), (5, "4", true), (1, "5", false),
    ] {
      let command = stop == "2" ? ["mine.yaml"] : ["--resume"]
      let outcome = try jobs.command(
        command + ["--run", "run", "--max-steps", stop] + (isSharded ? ["--zero"] : []),
        ranks: ranks)
      try #require(outcome.status == 0, "\(outcome)")
    }
    #expect(try jobs.bits("run") == jobs.bits("1x1"))
  }
}
