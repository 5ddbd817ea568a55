import Foundation
import Synchronization
import System
import Tensors
import TestSupport
import Testing
import Training

/// Whether all seeds train in full (`launch/test --long`), or as much as continuous integration has
/// time for.
let isLong = ProcessInfo.processInfo.environment["NNDIST_LONG"] == "1"

/// Runs of one recipe, seed after seed, and what is asked of them.
struct SystemTraining: Sendable, CustomTestStringConvertible {
  enum DataNeed: Sendable {
    case generated, mnist, fashion

    /// Arguments that name the data; nil where they are missing.
    var arguments: [String]? {
      switch self {
      case .generated: []
      case .mnist: sharedFolder().map { ["--data", $0 + "/mnist"] }
      case .fashion: fashionMNISTFolder.map { ["--data", $0] }
      }
    }
  }

  let recipe: String
  var data = DataNeed.generated
  /// In continuous integration: fewer where five take long.
  var briefSeeds = 5
  /// More than one only where the result depends on the seed.
  var longSeeds = 5
  /// nil: all of the recipe's.
  var briefEpochs: Int?
  var evaluatesEachEpoch = false
  /// Besides these a run gets its seed.
  var arguments: @Sendable (_ seed: Int) -> [String] = { _ in [] }
  /// 70 where the notebook's own network overflows from some seeds.
  var statuses: [Int32] = [0]
  let lines: [SystemLine]

  var testDescription: String { recipe }
  var seeds: Int { isLong ? longSeeds : min(briefSeeds, longSeeds) }

  /// Trains all seeds, two at a time: there may be no more cores.
  func train() throws -> SeedRuns {
    let folder = TemporaryFolder()
    let dataArguments = try #require(data.arguments)
    let runs = try inPairs(seeds) { seed in
      let path = "\(folder.path)/\(seed)"
      let epochs = isLong ? [] : briefEpochs.map { ["--epochs", "\($0)"] } ?? []
      let never = "1000000000"
      // The last epoch is evaluated, and the last step saved, whatever the intervals.
      let outcome = try run(
        [
          nndist, recipe, "--run", path, "--seed", "\(seed)", "--threads", "1", "--quiet",
          "--log-every", "1", "--checkpoint-every", never, "--eval-every",
          evaluatesEachEpoch ? "1" : never,
        ] + dataArguments + epochs + arguments(seed), deadlineSeconds: isLong ? 4 * 3600 : 900)
      try #require(statuses.contains(outcome.status), "\(recipe), seed \(seed): \(outcome)")
      return SeedRun(path: path, data: dataArguments, status: outcome.status)
    }
    return SeedRuns(recipe: recipe, folder: folder, runs: runs)
  }
}

/// The results of `body` for 0..<count; two are worked on at a time.
private func inPairs<Result: Sendable>(
  _ count: Int, _ body: @Sendable (Int) throws -> Result
) throws -> [Result] {
  let next = Atomic(0)
  let results = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
  DispatchQueue.concurrentPerform(iterations: 2) { _ in
    while true {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      let result = Swift.Result { try body(index) }
      results.withLock { $0[index] = result }
    }
  }
  return try (0..<count).map { index in try results.withLock { $0[index]! }.get() }
}

/// The runs of a recipe, in the seeds' order. They are removed with it.
struct SeedRuns {
  let recipe: String
  let folder: TemporaryFolder
  let runs: [SeedRun]
}

/// What one run left behind.
struct SeedRun: Sendable {
  let path: String
  let data: [String]
  let status: Int32

  struct Step: Decodable {
    let epoch: Int
    let loss: Double
  }

  struct Evaluation: Decodable {
    let epoch: Int
    let loss, lossBatchMean: Double
    let accuracy: Double?
  }

  var steps: [Step] { get throws { try lines("step") } }
  var evaluations: [Evaluation] { get throws { try lines("eval") } }

  private func lines<Line: Decodable>(_ event: String) throws -> [Line] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try String(decoding: contents(path + "/metrics.jsonl"), as: UTF8.self)
      .split(separator: "\n").filter { $0.contains("\"event\":\"\(event)\"") }
      .map { try decoder.decode(Line.self, from: Data($0.utf8)) }
  }

  /// The last checkpoint's parameters.
  var parameters: [(name: String, tensor: Tensor)] {
    get throws { try Safetensors.read(path + "/checkpoints/latest/model.safetensors") }
  }

  /// The only number of a parameter.
  func number(_ name: String) throws -> Double {
    let values = try #require(try parameters.first { $0.name == name }).tensor.asDoubles
    try #require(values.count == 1)
    return values[0]
  }

  /// What nndist prints when asked about this run.
  func ask(_ command: String, _ more: [String]) throws -> String {
    let outcome = try run([nndist, command, path] + data + more)
    try #require(outcome.status == 0, "\(outcome)")
    return outcome.stdout
  }

  /// An array that `nndist predict` writes: [rows, values of a row].
  func predict(_ more: String...) throws -> [[Double]] {
    let file = path + "/array.npy"
    let outcome = try run(
      [nndist, "predict", path, "--output", file] + data + more)
    try #require(outcome.status == 0, "\(outcome)")
    // An NPY file of version 1.0: 8 bytes, the header's length in 2, the header, the numbers.
    let bytes = contents(file)
    let start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
    let header = String(decoding: bytes[10..<start], as: UTF8.self)
    let rows = try #require(try /'shape': \((\d+),/.firstMatch(in: header))
    let values = stride(from: start, to: bytes.count, by: 4).map { place in
      Double(Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * $1) }))
    }
    let width = values.count / Int(rows.1)!
    return stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
  }
}
