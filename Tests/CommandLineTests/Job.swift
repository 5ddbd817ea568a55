import Foundation
import TestSupport
import Testing

// Training has an Outcome too.
import enum Training.Checkpoint
import struct Training.CheckpointState

let nndist = builtProduct("nndist")

/// Runs nndist: by itself, or on several ranks.
enum Launch: CustomTestStringConvertible, CaseIterable {
  case alone, onFourRanks

  func nndist(_ arguments: [String]) throws -> Outcome {
    switch self {
    case .alone: try run([CommandLineTests.nndist] + arguments)
    case .onFourRanks: try mpirun(ranks: 4, [CommandLineTests.nndist] + arguments)
    }
  }

  var testDescription: String { self == .alone ? "alone" : "on four ranks" }
}

/// Small jobs of one test: a data set that no batch size and no shard count divides, a small
/// network, and a folder for runs.
struct Jobs {
  let folder = TemporaryFolder()
  var data: String { folder.path + "/data" }

  /// fashion-mnist with 16 features: Adam and a cosine schedule, shuffled. 5 steps an epoch.
  static let small = [
    "fashion-mnist", "--batch-size", "50", "--epochs", "3", "--shards", "4", "--log-every", "1",
    "--set", "model.layers.1.out_features=16", "--set", "model.layers.3.in_features=16",
    "--set", "model.layers.3.out_features=16", "--set", "model.layers.5.in_features=16",
  ]

  init(train: Int = 203, test: Int = 57) { folder.writeImages(train: train, test: test) }

  func path(_ run: String) -> String { folder.path + "/" + run }

  /// Arguments for a run called `name`; the later ones win.
  func arguments(_ name: String, _ more: [String] = []) -> [String] {
    Jobs.small + ["--data", data, "--run", path(name)] + more
  }

  /// Trains, and expects success.
  /// - Parameter ranks: 1: without mpirun.
  @discardableResult
  func train(
    _ name: String, ranks: Int = 1, _ more: [String] = [],
    at location: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let arguments = [nndist] + arguments(name, more)
    let outcome = ranks == 1 ? try run(arguments) : try mpirun(ranks: ranks, arguments)
    #expect(outcome.status == 0, "\(outcome)", sourceLocation: location)
    return outcome
  }

  /// The bytes of both files of tensors in the run's latest checkpoint.
  func bits(_ name: String) throws -> [[UInt8]] {
    try ["model", "optimizer"].map { file in
      let path = path(name) + "/checkpoints/latest/\(file).safetensors"
      return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
  }

  func state(_ name: String) throws -> CheckpointState {
    try Checkpoint.load(path(name) + "/checkpoints/latest").state
  }

  /// The lines of the run's metrics.jsonl.
  func metrics(_ name: String) throws -> [[String: Any]] {
    let path = path(name) + "/metrics.jsonl"
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    return try text.split(separator: "\n").map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
  }

  func metrics(_ name: String, _ event: String) throws -> [[String: Any]] {
    try metrics(name).filter { $0["event"] as? String == event }
  }

  /// A step line's figures. Of JSON's readers here JSONDecoder alone keeps every digit.
  struct Step: Decodable, Equatable {
    let epoch, step, samples: Int
    let loss: Float
    let lr, gradNorm: Double
  }

  func steps(_ name: String) throws -> [Step] {
    let path = path(name) + "/metrics.jsonl"
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try text.split(separator: "\n").filter { $0.contains("\"event\":\"step\"") }
      .map { try decoder.decode(Step.self, from: Data($0.utf8)) }
  }

  func checkpoints(_ name: String) -> [String] {
    Checkpoint.names(in: path(name) + "/checkpoints").sorted()
  }

  func copy(_ name: String, to other: String) throws {
    let outcome = try run(["cp", "-a", path(name), path(other)])
    #expect(outcome.status == 0, "\(outcome)")
  }

  /// For nndist-faults: from step 1,000 on a step takes 10 ms, in a part where no rank's pace is judged.
  /// So what comes to a run from outside comes before its end, and what the run is compared with is short,
  /// however busy the machine.
  static let paced = ["NNDIST_FAULT": "sleep=10:0:1000+:update"]

  /// Starts a run and returns when it has made some steps.
  func start(_ name: String, ranks: Int = 1, _ more: [String]) throws -> StartedProgram {
    let arguments = [faultyNNDist] + arguments(name, more)
    let program =
      ranks == 1
      ? try StartedProgram(arguments, environment: Jobs.paced)
      : try StartedProgram(
        ["mpirun", "--oversubscribe", "-n", "\(ranks)"] + arguments,
        environment: Jobs.paced.merging(mpirunAsRoot) { $1 })
    try waitForSteps(name, 5, of: program)
    return program
  }
}

/// Expects a run to have ended with `status` and exactly one line of error that holds all `parts`.
func expectError(
  _ outcome: Outcome, _ status: Int32, _ parts: String...,
  at location: SourceLocation = #_sourceLocation
) {
  #expect(outcome.status == status, "\(outcome)", sourceLocation: location)
  let lines = outcome.stderr.split(separator: "\n").filter { $0.contains("nndist: ") }
  #expect(
    lines.count == 1 && lines[0].hasPrefix("nndist: error: "), "\(outcome)",
    sourceLocation: location)
  for part in parts {
    #expect(lines.first?.contains(part) ?? false, "\(part): \(outcome)", sourceLocation: location)
  }
  #expect(!outcome.stdout.contains("Epoch"), "\(outcome)", sourceLocation: location)
}
