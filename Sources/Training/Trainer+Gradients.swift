import CKernels
import Optimizers

/// What becomes of a step's gradient before the optimizer takes it.
extension Trainer {
  /// The step's gradient as the recipe wants it, and its norm before clipping, which is computed when
  /// it is asked for.
  ///
  /// Every rank computes the same from the same sum, so nothing needs to be agreed on.
  /// - Parameter sum: [layout.elementCount], over all shards. It is not written, as it may be all
  ///   ranks': what changes goes to the arena of this rank's first shard.
  func adjusted(
    _ sum: UnsafePointer<Float>, step: Int
  ) -> (gradients: UnsafePointer<Float>, norm: () -> Double) {
    let count = layout.elementCount
    let memory = deal.workers[0].replica.arena.pointer(Float.self)
    var gradients = sum
    if step == 1 && job.hasLeftoverGradient {
      nd_scale(memory, gradients, count, 2)
      gradients = UnsafePointer(memory)
    }
    guard let maximum = job.clipNorm else {
      return (gradients, { nd_sum_of_squares(gradients, count).squareRoot() })
    }
    let clipped = clippedGradients(gradients, count: count, toNorm: maximum, in: memory)
    return (clipped.gradients, { clipped.norm })
  }
}
