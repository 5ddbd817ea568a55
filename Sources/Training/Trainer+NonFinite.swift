import CKernels
import Communication
import DataParallel
import System

/// Steps whose global loss, gradient or batch statistics are not finite: no rank makes them.
///
/// All ranks look at the same sum, so they need not agree on it. The step counts, and its samples are
/// used up: what comes of a run is still a function of its recipe.
extension Trainer {
  /// So many in a row end the run: what does not pass by itself never will.
  static let skippedStepLimit = 3

  /// Whether the last step was skipped, on all ranks alike.
  var isSkipping: Bool { state.skippedInARow != nil }

  /// This rank's shards whose part of the step is not finite; to be asked before the sum, which may
  /// write over them. It costs a pass over each, so only a step after a skipped one asks.
  func nonFiniteShards() -> [Int] {
    deal.workers.map(\.replica).filter { replica in
      nd_all_finite(replica.arena.pointer(Float.self), replica.arena.elementCount) == 0
    }.map(\.shard)
  }

  /// Counts a step that cannot be made, and says so.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - total: has an element that is not finite.
  ///   - shards: what `nonFiniteShards` found; nil: it was not asked.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, where too many are in a row.
  func skip(_ total: ArenaSum, step: Int, epoch: Int, shards: [Int]?) throws {
    let count = (state.skippedInARow ?? 0) + 1
    if count == 1 { savedBeforeSkips = begunStep }
    state.skippedInARow = count
    let (what, tensor) = firstNonFinite(total)
    // Not a number is the one thing that a replica tells after the sum.
    let mine =
      shards ?? deal.workers.map(\.replica).filter { !$0.lastLoss.isFinite }.map(\.shard)
    let places = try nonFinitePlaces(mine)
    let problem = "\(what) is not finite at step \(step)" + (places.isEmpty ? "" : ", on \(places)")
    guard count < Trainer.skippedStepLimit else {
      // What was begun before them is whole now, or will never be.
      endSaving()
      let cause = places.isEmpty ? ", on no single rank: the sum overflows" : ""
      throw Failure(
        .trainingFailed, "\(problem)\(cause); \(count) steps in a row were skipped",
        remedy: "lower the learning rate (--lr)"
          + (hasSavedBeforeSkips ? "; step \(savedBeforeSkips) is saved, from before it" : ""))
    }
    console.warning("\(problem); the step is skipped (\(count) in a row)")
    guard communicator.isRoot else { return }
    var line = JSONLine(event: "skipped")
    line.add("epoch", epoch)
    line.add("step", step)
    line.add("reason", "\(what) is not finite")
    line.add("tensor", tensor)
    line.add("in_a_row", count)
    try log(line)
  }

  /// Root alone knows, and speaks.
  private var hasSavedBeforeSkips: Bool {
    guard savedBeforeSkips > 0, let directory else { return false }
    return Checkpoint.names(in: directory.checkpointsPath).contains(
      Checkpoint.name(step: savedBeforeSkips))
  }

  /// The first of it that is not finite: the loss, or what the parameters are in the arena's order, or
  /// the buffers.
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
    let text = mine.map(String.init).joined(separator: ", ")
    let all = try communicator.allgather(bytes: Array(text.utf8))
    return all.enumerated().filter { !$0.1.isEmpty }.map { rank, shards in
      let list = String(decoding: shards, as: UTF8.self)
      return "rank \(rank) (shard\(list.contains(",") ? "s" : "") \(list))"
    }.joined(separator: " and ")
  }
}
