import Datasets
import Foundation
import Glibc
import System
import Tensors

/// Where a run stood: `state.json` of a checkpoint.
public struct CheckpointState: Codable, Equatable, Sendable {
  public struct Best: Codable, Equatable, Sendable {
    public var metric: String
    public var value: Double
    public var step: Int
  }

  /// Optimizer updates made.
  package var step: Int
  /// The epoch the next step belongs to, from 1.
  package var epoch: Int
  /// Samples of that epoch already used.
  package var position: Int
  package var seed: UInt64
  /// Shards of that epoch.
  package var shards: Int
  package var recipeDigest: String
  package var best: Best?
  /// Evaluations since the best one.
  package var evaluationsSinceBest = 0
  /// From the training split the run began with; nil where nothing is standardized.
  package var standardization: DataStandardization?
  /// Of the training samples' source, 16 hexadecimal digits; nil where no file is read, and in
  /// checkpoints of older versions.
  package var dataDigest: String?
  /// How many steps up to this one were skipped, as they were not finite; nil: none.
  package var skippedInARow: Int?
  /// The two other files of the checkpoint.
  package var files: [String: FileDigest] = [:]
  /// Of all the above: no bit of this file changes unnoticed either.
  package var digest: String?

  enum CodingKeys: String, CodingKey {
    case step, epoch, position, seed, shards, best, files, digest
    case recipeDigest = "recipe_digest"
    case dataDigest = "data_digest"
    case skippedInARow = "skipped_in_a_row"
    case evaluationsSinceBest = "evaluations_since_best"
    case standardization
  }

  /// What `digest` must be: that of all other fields.
  package var expectedDigest: String {
    var fields = self
    fields.digest = nil
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Numbers and texts always encode.
    return SHA256.digest(of: String(decoding: try! encoder.encode(fields), as: UTF8.self))
  }
}

/// A checkpoint: a directory with `model.safetensors`, `optimizer.safetensors` and `state.json`,
/// which exists whole or not at all.
package enum Checkpoint {
  package typealias Tensors = [(name: String, tensor: Tensor)]

  static let modelFile = "model.safetensors"
  static let optimizerFile = "optimizer.safetensors"
  static let stateFile = "state.json"

  /// "step-00000938": sorted by name is sorted by step.
  package static func name(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(8 - digits.count, 0)) + digits
  }

  /// Checkpoints in `directory`, the newest first.
  package static func names(in directory: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
      .filter { $0.hasPrefix("step-") && $0.count > 5 && $0.dropFirst(5).allSatisfy(\.isNumber) }
      // By step, whatever their times say.
      .sorted { ($0.count, $0) > ($1.count, $1) }
  }

  /// Loads and verifies a checkpoint: lengths, digests, then contents.
  /// - Throws: `Failure(.badData)` naming the file and what is wrong with it.
  package static func load(_ path: String) throws -> (
    state: CheckpointState, model: Tensors, optimizer: Tensors
  ) {
    let statePath = path + "/" + stateFile
    let state = try CheckpointState.read(statePath)
    if let other = state.files.keys.sorted().first(where: {
      ![modelFile, optimizerFile].contains($0)
    }) {
      throw Failure(.badData, "\(statePath) names \(other), which is no file of a checkpoint")
    }
    for file in [modelFile, optimizerFile] {
      guard let expected = state.files[file] else {
        throw Failure(.badData, "\(statePath) does not name \(file)")
      }
      let found = try digest(of: path + "/" + file)
      guard found == expected else {
        throw Failure(
          .badData,
          "\(path)/\(file) is damaged: \(found.bytes) bytes with SHA-256 \(found.sha256), "
            + "\(expected.bytes) with \(expected.sha256) were written",
          remedy: "resume from another checkpoint")
      }
    }
    return (
      state, try Safetensors.read(path + "/" + modelFile),
      try Safetensors.read(path + "/" + optimizerFile)
    )
  }

  /// Copies `tensors` into the views of the same names.
  /// - Throws: `Failure(.badData)` naming the first tensor that is missing, unknown or of another
  ///   shape or dtype; then nothing was copied.
  package static func restore(_ tensors: Tensors, into views: Tensors, from path: String) throws {
    let known = Dictionary(tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { $1 })
    let remedy = "it belongs to another model; check the recipe"
    for (name, view) in views {
      guard let tensor = known[name] else {
        throw Failure(.badData, "\(path) has no tensor \(name)", remedy: remedy)
      }
      guard tensor.shape == view.shape, tensor.dtype == view.dtype else {
        throw Failure(
          .badData,
          "\(path): tensor \(name) is \(tensor.dtype) \(tensor.shape), the model's is \(view.dtype) "
            + "\(view.shape)", remedy: remedy)
      }
    }
    if let extra = tensors.first(where: { tensor in !views.contains { $0.name == tensor.name } }) {
      throw Failure(
        .badData, "\(path) has a tensor \(extra.name) that the model does not", remedy: remedy)
    }
    for (name, view) in views {
      view.rawPointer.copyMemory(
        from: known[name]!.rawPointer, byteCount: view.elementCount * view.dtype.byteCount)
    }
  }

  private static func digest(of path: String) throws -> FileDigest {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemFailure(.badData, "cannot open \(path)") }
    defer { close(descriptor) }
    var hash = SHA256()
    var bytes = 0
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0 { throw systemFailure(.ioError, "cannot read \(path)") }
      if count == 0 { break }
      chunk.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      bytes += count
    }
    return FileDigest(bytes: bytes, sha256: hash.finish())
  }
}
