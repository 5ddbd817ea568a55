import DataParallel
import Datasets
import Foundation
import System

extension CheckpointState {
  /// Much larger than any real state. The largest part of a state is two numbers for each
  /// standardized feature.
  private static let maximumByteCount = 256 << 20

  /// Reads and verifies a `state.json`.
  /// - Throws: `Failure(.badData)` with the file and the problem.
  package static func read(_ path: String) throws -> CheckpointState {
    let remedy = "resume from another checkpoint"
    let file = try DataFile(path: path, format: "a state.json", missing: .badData)
    guard file.byteCount <= maximumByteCount else {
      throw Failure(
        .badData, "\(path) has \(file.byteCount) bytes; at most \(maximumByteCount) are read",
        remedy: remedy)
    }
    let bytes = Data(try file.bytes(file.byteCount, at: 0))
    let state: CheckpointState
    do {
      state = try JSONDecoder().decode(CheckpointState.self, from: bytes)
    } catch let error as DecodingError {
      throw Failure(.badData, "\(path): \(explanation(error))", remedy: remedy)
    }
    // The file must end with a newline, which the digest does not cover.
    guard state.digest == state.expectedDigest, bytes.suffix(2) == Data("}\n".utf8) else {
      throw Failure(
        .badData, "\(path) is damaged: its contents are not those of its digest", remedy: remedy)
    }
    // A digest is not a signature. So check that the values cannot do harm before they are used.
    if let key = state.firstImpossibleKey {
      throw Failure(.badData, "\(path): key \(key) has an impossible value", remedy: remedy)
    }
    return state
  }

  /// The first key whose value is impossible; nil if there is none.
  private var firstImpossibleKey: String? {
    let counts = 0...1 << 48
    if !counts.contains(step) { return "step" }
    if !(1...Int(Int32.max) + 1 ~= epoch) { return "epoch" }
    if !counts.contains(position) { return "position" }
    // Each epoch has at least one step.
    if epoch - 1 + (position > 0 ? 1 : 0) > step { return "epoch" }
    if !(1...65536 ~= shards) { return "shards" }
    if !counts.contains(evaluationsSinceBest) { return "evaluations_since_best" }
    if let skippedInARow, !(1...StepEngine.skippedStepLimit ~= skippedInARow) {
      return "skipped_in_a_row"
    }
    if let best, !(0...step ~= best.step) { return "best.step" }
    for part in [standardization?.input, standardization?.target].compactMap({ $0 })
    where part.mean.isEmpty || part.mean.count != part.deviation.count {
      return "standardization"
    }
    return nil
  }

  private static func explanation(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, _): "key \(key.stringValue) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "key \(context.codingPath.map(\.stringValue).joined(separator: ".")) has another type"
    default: "it is not valid JSON"
    }
  }
}
