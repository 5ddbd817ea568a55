import CKernels
import Communication
import System
import Tensors

/// A step that all ranks skipped, because its loss, gradient or batch statistics were not finite.
public struct SkippedStep: Sendable {
  /// What is not finite, at which step and on which ranks.
  public let problem: String
  /// "loss", or the name of the first tensor that is not finite.
  public let tensor: String
  /// What is not finite, without step and ranks.
  package let what: String
  /// The number of skipped steps in a row, including this one.
  public let count: Int
  fileprivate let cause: String

  /// The error that ends a run after too many skipped steps.
  var failure: Failure {
    Failure(
      .trainingFailed, "\(problem)\(cause); \(count) steps in a row were skipped",
      remedy: "lower the learning rate (--lr)")
  }
}

/// Skips steps whose sum is not finite. All ranks see the same sum, so they make the same decision
/// without communication. A skipped step is counted, and its samples count as used. So the result
/// is still a function of the recipe.
extension StepEngine {
  /// Returns this rank's shards whose part of the step is not finite. It must be called before the
  /// sum, which may overwrite them. It reads each shard's whole arena, so it is called only after a
  /// skipped step.
  func nonFiniteShards() -> [Int] {
    workers.map(\.replica).filter { replica in
      nd_all_finite(replica.arena.pointer(Float.self), replica.arena.elementCount) == 0
    }.map(\.shard)
  }

  /// Counts a skipped step, and finds what is not finite.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - total: the sum; it has an element that is not finite.
  ///   - shards: the result of `nonFiniteShards`; nil if it was not called.
  func skip(_ total: ArenaSum, step: Int, shards: [Int]?) throws -> SkippedStep {
    let count = (skippedInARow ?? 0) + 1
    skippedInARow = count
    let (what, tensor) = firstNonFinite(total)
    // After the sum, a replica still has only its loss.
    let mine = shards ?? workers.map(\.replica).filter { !$0.lastLoss.isFinite }.map(\.shard)
    let places = try nonFinitePlaces(mine)
    return SkippedStep(
      problem: "\(what) is not finite at step \(step)" + (places.isEmpty ? "" : ", on \(places)"),
      tensor: tensor, what: "\(what) is not finite", count: count,
      cause: places.isEmpty ? ", on no single rank: the sum overflows" : "")
  }

  /// Returns the first part of the sum that is not finite: the loss, a parameter's gradient (in the
  /// arena's order), or a buffer.
  private func firstNonFinite(_ total: ArenaSum) -> (what: String, tensor: String) {
    if !total[.loss].isFinite { return ("the loss", "loss") }
    func first(in layout: ArenaLayout, from start: UnsafePointer<Float>) -> String? {
      layout.entries.first { nd_all_finite(start + $0.offset, $0.shape.elementCount) == 0 }?.name
    }
    if let name = first(in: layout, from: total.gradients) {
      return ("the gradient of \(name)", name)
    }
    guard let name = first(in: buffers.layout, from: total.buffers) else {
      fatalError("a sum that is not finite has no element that is not")
    }
    return (name, name)
  }

  /// Returns text such as "rank 0 (shard 1) and rank 2 (shards 5, 6)".
  ///
  /// Collective: every rank.
  /// - Parameter mine: this rank's shards.
  private func nonFinitePlaces(_ mine: [Int]) throws -> String {
    try communicator.allgather(mine).enumerated().filter { !$0.1.isEmpty }.map { rank, shards in
      "rank \(rank) (shard\(shards.count > 1 ? "s" : "") "
        + "\(shards.map(String.init).joined(separator: ", ")))"
    }.joined(separator: " and ")
  }
}
