import CKernels
import Communication
import Layers
import Optimizers
import System
import Tensors

/// One optimizer update: compute, sum, agree, update.
extension StepEngine {
  /// A run of so many skipped steps in a row cannot recover by itself.
  package static let skippedStepLimit = 3

  /// Steps between two comparisons of the replicas.
  static let comparisonInterval = 100

  /// Takes one step, on all ranks alike.
  ///
  /// Collective: every rank, with the same batch and learning rate.
  /// - Parameter loss: a shard's share of the loss; called for each of this rank's shards (or pieces of
  ///   one), on several threads.
  /// - Throws: Failure, the same on every rank: what `loss` throws, with the rank that threw it;
  ///   `trainingFailed` for too many skipped steps in a row, or replicas that differ. MPIError.
  package func take(
    _ batch: GlobalBatch, learningRate: Double,
    loss: (any Module, BatchPart) throws -> Tensor
  ) throws -> StepResult {
    let number = step + 1
    communicator.step = number
    if !isPrepared(for: batch.data) { try prepare(for: batch.data) }
    try connectGlobalBatchLayers(batch, loss: loss)
    var times = StepTimes()
    var clock = Stopwatch()
    threads.isAlone = threadChoice.isAlone
    defer { threads.isAlone = false }
    compute(batch, step: number, loss)
    try synchronizer?.check()
    let isSkipping = skippedInARow != nil
    let suspects = isSkipping ? nonFiniteShards() : nil
    times.total = clock.lap()
    Progress.enter(.sum)
    let total = ArenaSum(try reduction.allreduceSum(on: threads), layout: layout)
    times.reduction = clock.lap()
    if total[.failures] > 0 { try throwFailures() }
    Progress.enter(.update)
    var result = StepResult(
      step: number, loss: total[.loss], learningRate: learningRate,
      sampleCount: batch.sampleCount, stop: stop(total))
    if reduction.sumIsFinite {
      result.norm = try update(by: total, batch, learningRate: learningRate, step: number)
      skippedInARow = nil
    } else {
      result.skipped = try skip(total, step: number, shards: suspects)
    }
    try reachFaultAfterUpdate()
    times.optimizer = clock.lap()
    step = number
    note(&times)
    result.times = times
    if let skipped = result.skipped, skipped.count >= StepEngine.skippedStepLimit {
      throw skipped.failure
    }
    if number % StepEngine.comparisonInterval == 0 {
      try verifyReplicas()
      result.warnings += try pace.compare(communicator)
    }
    return result
  }

  private func compute(
    _ batch: GlobalBatch, step: Int, _ loss: (any Module, BatchPart) throws -> Tensor
  ) {
    Progress.enter(.data)
    workers[0].replica.isAskedToStop = StopSignals.received != nil
    workers[0].replica.timeIsUp = communicator.isRoot && timeIsUp
    // A network whose layers sum between shards does that on this thread, which must then be MPI's only one.
    // After a skipped step nothing goes out before it was checked.
    if overlaps && reduction.overlaps && synchronizer == nil && skippedInARow == nil {
      reduction.begin()
    }
    withoutActuallyEscaping(loss) { loss in
      let work = ShardWorker.Work(
        step: step, seed: options.seed, microBatchSize: options.microBatchSize, buffers: buffers,
        loss: loss)
      (synchronizer?.threads ?? threads).run(pieces: workers.count) {
        workers[$0].compute(batch, work)
      }
    }
  }

  /// Throws what a shard's loss threw, on every rank.
  private func throwFailures() throws {
    try communicator.agree(on: "computing the loss of step \(step + 1)") {
      for worker in workers { if let failure = worker.failure { throw failure } }
    }
  }

  private func stop(_ total: ArenaSum) -> StepResult.Stop? {
    if total[.stop] > 0 { return .signal(StopSignals.received ?? "a signal to another rank") }
    return total[.timeIsUp] > 0 ? .timeIsUp : nil
  }

  /// - Returns: computes the norm of the gradient before clipping.
  private func update(
    by total: ArenaSum, _ batch: GlobalBatch, learningRate: Double, step: Int
  ) throws -> () -> Double {
    if !buffers.isEmpty {
      buffers.update(
        sum: total.buffers, contributors: total[.contributors],
        batchCount: MicroBatches.count(
          of: batch.data.order.largestPart(ofBatch: batch.index), atMost: options.microBatchSize))
    }
    let (gradients, norm) = adjusted(total.gradients, step: step)
    optimizer.step(
      parameters: UnsafeMutableBufferPointer(
        start: parameters.pointer(Float.self) + slices.own.lowerBound, count: slices.own.count),
      gradients: gradients + slices.own.lowerBound, learningRate: learningRate, step: step,
      divide: threads.run(over:_:))
    try slices.exchange()
    return norm
  }

  /// The gradient as the options want it, and its norm before clipping, computed when it is needed.
  ///
  /// Every rank computes the same from the same sum, so nothing needs to be agreed on.
  /// - Parameter sum: [layout.elementCount], over all shards. It is not written, as other ranks may read the
  ///   same memory: what changes goes to the arena of this rank's first shard.
  private func adjusted(
    _ sum: UnsafePointer<Float>, step: Int
  ) -> (gradients: UnsafePointer<Float>, norm: () -> Double) {
    let count = layout.elementCount
    let memory = workers[0].replica.arena.pointer(Float.self)
    var gradients = sum
    if step == 1 && options.hasLeftoverGradient {
      nd_scale(memory, gradients, count, 2)
      gradients = UnsafePointer(memory)
    }
    guard let maximum = options.clipNorm else {
      return (gradients, { nd_sum_of_squares(gradients, count).squareRoot() })
    }
    let clipped = clippedGradients(gradients, count: count, toNorm: maximum, in: memory)
    return (clipped.gradients, { clipped.norm })
  }

  private func note(_ times: inout StepTimes) {
    if threads.count > 1 {
      // With other ranks a sum is mostly a wait for them.
      threadChoice.note(
        times.total + times.optimizer + (communicator.worldSize == 1 ? times.reduction : 0))
    }
    times.total += times.reduction + times.optimizer
    var samples = 0
    for worker in workers {
      times.add(worker.times)
      samples += worker.sampleCount
    }
    pace.add(times, samples: samples)
  }

  /// Where tests change what the ranks hold alike, or let one of them fail by itself.
  private func reachFaultAfterUpdate() throws {
    let fault = FaultPoint.reach(
      "update", rank: communicator.rank, step: communicator.step,
      tensors: self.replicatedArenas.flatMap(\.tensors))
    if fault == .error {
      throw RankFailure(failure: Failure(.ioError, "a test asked for an error"))
    }
  }
}

/// What came of a step; the same on every rank, except `times`.
public struct StepResult {
  /// Counted from 1.
  public let step: Int
  /// The mean over the global batch.
  public let loss: Float
  public let learningRate: Double
  /// Samples of the global batch.
  public let sampleCount: Int
  /// Why the ranks should save and stop; nil: they should not.
  public let stop: Stop?
  /// Why no parameter was updated; nil: they were.
  public fileprivate(set) var skipped: SkippedStep?
  /// What should be known but stops nothing, such as a rank that is much slower than the others.
  public fileprivate(set) var warnings: [String] = []
  /// Where the time of the step went on this rank; of threads side by side the sum.
  package fileprivate(set) var times = StepTimes()
  fileprivate var norm: () -> Double = { .nan }

  /// The Euclidean norm of the gradient, before clipping. Valid until the next step; NaN for a skipped one.
  public var gradientNorm: Double { norm() }

  public enum Stop: Sendable, Equatable {
    /// A signal asked for it, such as SIGTERM.
    case signal(String)
    /// Root's time is up.
    case timeIsUp
  }
}
