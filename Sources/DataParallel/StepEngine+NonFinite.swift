import CKernels
import Communication
import System
import Tensors

/// A step that no rank took, as its loss, gradient or batch statistics were not finite.
public struct SkippedStep: Sendable {
  /// What is not finite, where and when.
  public let problem: String
  /// "loss", or the name of the first tensor that is not finite.
  public let tensor: String
  /// What is not finite, without a place.
  package let what: String
  /// Skipped steps in a row, this one included.
  public let count: Int
  fileprivate let cause: String

  /// Why a run cannot go on after too many of them.
  var failure: Failure {
    Failure(
      .trainingFailed, "\(problem)\(cause); \(count) steps in a row were skipped",
      remedy: "lower the learning rate (--lr)")
  }
}

/// All ranks see the same sum, so they need not agree on whether to skip a step. A skipped step counts, and its
/// samples are used up: the result is still a function of the recipe.
extension StepEngine {
  /// This rank's shards whose part of the step is not finite; called before the sum, which may write over them.
  /// It costs a pass over each, so it is only called after a skipped step.
  func nonFiniteShards() -> [Int] {
    workers.map(\.replica).filter { replica in
      nd_all_finite(replica.arena.pointer(Float.self), replica.arena.elementCount) == 0
    }.map(\.shard)
  }

  /// Counts a step that cannot be taken.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - total: has an element that is not finite.
  ///   - shards: what `nonFiniteShards` found; nil: it was not called.
  func skip(_ total: ArenaSum, step: Int, shards: [Int]?) throws -> SkippedStep {
    let count = (skippedInARow ?? 0) + 1
    skippedInARow = count
    let (what, tensor) = firstNonFinite(total)
    // The loss is all that a replica still has after the sum.
    let mine = shards ?? workers.map(\.replica).filter { !$0.lastLoss.isFinite }.map(\.shard)
    let places = try nonFinitePlaces(mine)
    return SkippedStep(
      problem: "\(what) is not finite at step \(step)" + (places.isEmpty ? "" : ", on \(places)"),
      tensor: tensor, what: "\(what) is not finite", count: count,
      cause: places.isEmpty ? ", on no single rank: the sum overflows" : "")
  }

  /// The first of the sum's parts that is not finite: the loss, or a parameter's gradient, in the arena's order,
  /// or a buffer.
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

  /// "rank 0 (shard 1) and rank 2 (shards 5, 6)"
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
