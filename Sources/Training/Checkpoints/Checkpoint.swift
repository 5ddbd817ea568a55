import Datasets
import Foundation
import Glibc
import System
import Tensors

/// The state of a run at a checkpoint: its `state.json`.
public struct CheckpointState: Codable, Equatable, Sendable {
  public struct Best: Codable, Equatable, Sendable {
    public var metric: String
    public var value: Double
    public var step: Int
  }

  /// The number of steps taken.
  package var step: Int
  /// The epoch of the next step, counted from 1.
  package var epoch: Int
  /// The number of samples of that epoch that were already used.
  package var position: Int
  package var seed: UInt64
  /// The number of shards in that epoch.
  package var shards: Int
  package var recipeDigest: String
  package var best: Best?
  /// The number of evaluations since the best one.
  package var evaluationsSinceBest = 0
  /// Computed on the training split at the start of the run; nil if nothing is standardized.
  package var standardization: DataStandardization?
  /// The digest of the training samples' source, 16 hexadecimal digits; nil if no file is read, and
  /// in checkpoints of older versions.
  package var dataDigest: String?
  /// The number of steps in a row, up to this one, that were skipped because they were not finite;
  /// nil if none.
  package var skippedInARow: Int?
  /// The digests of the two other files of the checkpoint, by file name.
  package var files: [String: FileDigest] = [:]
  /// The digest of all other fields, so that a changed bit in this file is detected too.
  package var digest: String?

  enum CodingKeys: String, CodingKey {
    case step, epoch, position, seed, shards, best, files, digest
    case recipeDigest = "recipe_digest"
    case dataDigest = "data_digest"
    case skippedInARow = "skipped_in_a_row"
    case evaluationsSinceBest = "evaluations_since_best"
    case standardization
  }

  /// The value that `digest` must have: the digest of all other fields.
  package var expectedDigest: String {
    var fields = self
    fields.digest = nil
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Encoding numbers and strings never fails.
    return SHA256.digest(of: String(decoding: try! encoder.encode(fields), as: UTF8.self))
  }
}

/// A checkpoint: a directory with `model.safetensors`, `optimizer.safetensors` and `state.json`. It
/// is either complete or does not exist.
package enum Checkpoint {
  package typealias Tensors = [(name: String, tensor: Tensor)]

  static let modelFile = "model.safetensors"
  static let optimizerFile = "optimizer.safetensors"
  static let stateFile = "state.json"

  /// Returns a name such as "step-00000938". Up to 8 digits, the order by name is the order by
  /// step.
  package static func name(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(8 - digits.count, 0)) + digits
  }

  /// Returns the names of the checkpoints in `directory`, the newest first.
  package static func names(in directory: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
      .filter { $0.hasPrefix("step-") && $0.count > 5 && $0.dropFirst(5).allSatisfy(\.isNumber) }
      // By step, not by modification time.
      .sorted { ($0.count, $0) > ($1.count, $1) }
  }

  /// Loads a checkpoint, and verifies its file lengths, digests and contents, in this order.
  /// - Throws: `Failure(.badData)` with the file and the problem.
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
  /// - Throws: `Failure(.badData)` with the first tensor that is missing, unknown, or has another
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
