import CKernels
import Communication
import Layers
import Optimizers
import System
import Tensors

/// Takes one step: compute, sum, agree, update.
extension StepEngine {
  /// The number of skipped steps in a row that ends the run, because it will not recover by itself.
  package static let skippedStepLimit = 3

  /// The number of steps between comparisons of the replicas.
  static let comparisonInterval = 100

  /// Takes one step, the same on all ranks.
  ///
  /// Collective: every rank, with the same batch and learning rate.
  /// - Parameter loss: computes a shard's part of the loss. Called for each of this rank's shards
  ///   (or micro-batches of one), on several threads.
  /// - Throws: Failure, the same on every rank: the error thrown by `loss`, with the rank that
  ///   threw it; `trainingFailed` for too many skipped steps in a row, or if the replicas differ.
  ///   MPIError.
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
      result.warnings += try stragglerDetector.compare(communicator)
    }
    return result
  }

  private func compute(
    _ batch: GlobalBatch, step: Int, _ loss: (any Module, BatchPart) throws -> Tensor
  ) {
    Progress.enter(.data)
    workers[0].replica.isAskedToStop = StopSignals.received != nil
    workers[0].replica.timeIsUp = communicator.isRoot && timeIsUp
    // Do not overlap if layers sum over the shards: they call MPI on this thread, which must then
    // be the only one that does. After a skipped step, nothing is sent before it is checked.
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

  /// Throws the error of a shard's loss, on every rank.
  private func throwFailures() throws {
    try communicator.agree(on: "computing the loss of step \(step + 1)") {
      for worker in workers { if let failure = worker.failure { throw failure } }
    }
  }

  private func stop(_ total: ArenaSum) -> StepResult.Stop? {
    if total[.stop] > 0 { return .signal(StopSignals.received ?? "a signal to another rank") }
    return total[.timeIsUp] > 0 ? .timeIsUp : nil
  }

  /// - Returns: a function that computes the norm of the gradient before clipping.
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

  /// Applies the options to the gradient. Returns it with a function that computes its norm before
  /// clipping.
  ///
  /// Every rank computes the same result from the same sum, so no communication is needed.
  /// - Parameter sum: [layout.elementCount], over all shards. It is not modified, because other
  ///   ranks may read the same memory: a changed gradient is written to the arena of this rank's
  ///   first shard.
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
      // With several ranks, the time of the sum is mostly spent waiting for other ranks.
      threadChoice.note(
        times.total + times.optimizer + (communicator.worldSize == 1 ? times.reduction : 0))
    }
    times.total += times.reduction + times.optimizer
    var samples = 0
    for worker in workers {
      times.add(worker.times)
      samples += worker.sampleCount
    }
    stragglerDetector.add(times, samples: samples)
  }

  /// A fault point: tests change replicated state here, or make a single rank fail.
  private func reachFaultAfterUpdate() throws {
    let fault = FaultPoint.reach(
      "update", rank: communicator.rank, step: communicator.step,
      tensors: self.replicatedArenas.flatMap(\.tensors))
    if fault == .error {
      throw RankFailure(failure: Failure(.ioError, "a test asked for an error"))
    }
  }
}

/// The result of a step; the same on every rank, except `times`.
public struct StepResult {
  /// Counted from 1.
  public let step: Int
  /// The mean loss over the global batch.
  public let loss: Float
  public let learningRate: Double
  /// The number of samples in the global batch.
  public let sampleCount: Int
  /// Why the ranks should save and stop; nil if they should continue.
  public let stop: Stop?
  /// Why the step was skipped; nil if the parameters were updated.
  public fileprivate(set) var skipped: SkippedStep?
  /// Problems that do not stop training, such as a rank that is much slower than the others.
  public fileprivate(set) var warnings: [String] = []
  /// The time of each phase of the step on this rank; for concurrent threads, their sum.
  package fileprivate(set) var times = StepTimes()
  fileprivate var norm: () -> Double = { .nan }

  /// The Euclidean norm of the gradient, before clipping. Valid until the next step; NaN for a
  /// skipped one.
  public var gradientNorm: Double { norm() }

  public enum Stop: Sendable, Equatable {
    /// A signal was received, such as SIGTERM.
    case signal(String)
    /// Root's time limit is reached.
    case timeIsUp
  }
}
