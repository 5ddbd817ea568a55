import DataParallel
import Optimizers
import System
import Tensors

/// One optimizer update, and what is said of it.
extension Trainer {
  /// Why all ranks are to stop; nil: they are not.
  private func stop(_ total: ArenaSum) -> Outcome? {
    if total[.stop] > 0 {
      return .stopped(by: StopSignals.received ?? "a signal to another rank")
    }
    // Root alone says it in the end.
    return total[.timeIsUp] > 0 ? .stopped(by: options.timeLimit?.name ?? "the time limit") : nil
  }

  /// Whether root finds that there is no time for another step.
  private func timeIsUp(batch: Int) -> Bool {
    guard communicator.isRoot, let limit = options.timeLimit else { return false }
    timeNeeds.noteStep()
    // What belongs to the epoch comes behind its last step, also when that is the last of all.
    let isEvaluated =
      evaluationInterval > 0
      && (state.epoch % evaluationInterval == 0 || state.epoch == job.epochs)
    return timeNeeds.areMore(
      than: limit, withEvaluation: isEvaluated && batch >= deal.order.stepsPerEpoch - 2)
  }

  /// One optimizer update. Returns how the run is to end, where all ranks agreed to stop.
  func step(batch: Int) throws -> Outcome? {
    var clock = Stopwatch()
    let workers = deal.workers
    let number = state.step + 1
    threads.isAlone = threadChoice.isAlone
    defer { threads.isAlone = false }
    communicator.step = number
    Progress.enter(.data)
    workers[0].replica.isAskedToStop = StopSignals.received != nil
    workers[0].replica.timeIsUp = timeIsUp(batch: batch)
    // A network whose layers sum between shards does that on this thread, which must then be MPI's
    // only one. After a skipped step nothing goes out before it was looked at.
    if overlaps && deal.reduction.overlaps && deal.synchronizer == nil && !isSkipping {
      deal.reduction.begin()
    }
    (deal.synchronizer?.threads ?? threads).run(pieces: workers.count) {
      workers[$0].compute(batch: batch, step: number, job: job, buffers: buffers)
    }
    try deal.synchronizer?.check()
    let suspects = isSkipping ? nonFiniteShards() : nil
    var times = StepTimes()
    times.total = clock.lap()
    Progress.enter(.sum)
    let total = ArenaSum(
      try deal.reduction.allreduceSum(
        surelyFinite: deal.reduction.isTrivial ? workers[0].surelyFinite : [], on: threads),
      layout: layout)
    times.reduction = clock.lap()
    Progress.enter(.update)
    let epoch = state.epoch
    var update: Update?
    if deal.reduction.sumIsFinite {
      update = try self.update(by: total, batch: batch, step: number)
      state.skippedInARow = nil
    } else {
      try skip(total, step: number, epoch: epoch, shards: suspects)
    }
    try faultAfterUpdate()
    times.optimizer = clock.lap()
    if threads.count > 1 {
      // With other ranks a sum is a wait for them.
      threadChoice.note(
        times.total + times.optimizer + (communicator.worldSize == 1 ? times.reduction : 0))
    }
    for worker in workers { times.add(worker.times) }
    pace.add(times, samples: workers.reduce(0) { $0 + $1.sampleCount })
    if let onStep {
      times.total += times.reduction + times.optimizer
      onStep(number, times)
    }
    state.step = number
    state.position += deal.order.batchCount(batch)
    meter.add(samples: deal.order.batchCount(batch))
    if communicator.isRoot, let update {
      try report(epoch: epoch, batch: batch, loss: total[.loss], update)
    }
    if batch == deal.order.stepsPerEpoch - 1 {
      state.epoch += 1
      state.position = 0
    }
    return stop(total)
  }

  /// Where tests change what the ranks hold alike, or want one of them to fail by itself.
  private func faultAfterUpdate() throws {
    let fault = FaultPoint.reach(
      "update", rank: communicator.rank, step: communicator.step,
      tensors: self.replicatedArenas.flatMap(\.tensors))
    if fault == .error {
      throw RankFailure(failure: Failure(.ioError, "a test asked for an error"))
    }
  }

  /// Says, once, which ranks take much longer than the others to compute.
  ///
  /// Collective: every rank.
  func comparePaces() throws {
    for line in try pace.compare(communicator) { console.warning(line) }
  }

  /// What an update did, for the log.
  private struct Update {
    let rate: Double
    /// Of the gradient before clipping; computed when it is asked for.
    let norm: () -> Double
  }

  private func update(by total: ArenaSum, batch: Int, step: Int) throws -> Update {
    if !buffers.isEmpty {
      buffers.update(
        sum: total.buffers, contributors: total[.contributors],
        batchCount: MicroBatches.count(
          of: deal.order.largestPart(ofBatch: batch), atMost: job.microBatchSize))
    }
    let (gradients, norm) = adjusted(total.gradients, step: step)
    let rate = job.schedule.rate(base: job.learningRate, step: step, totalSteps: totalSteps)
    optimizer.step(
      parameters: UnsafeMutableBufferPointer(
        start: parameters.pointer(Float.self) + slices.own.lowerBound, count: slices.own.count),
      gradients: gradients + slices.own.lowerBound, learningRate: rate, step: step,
      divide: threads.run(over:_:))
    try slices.exchange()
    return Update(rate: rate, norm: norm)
  }

  private func report(epoch: Int, batch: Int, loss: Float, _ update: Update) throws {
    if options.logEvery > 0 && state.step % options.logEvery == 0 {
      var line = JSONLine(event: "step")
      line.add("epoch", epoch)
      line.add("step", state.step)
      line.add("samples", (epoch - 1) * deal.order.sampleCount + state.position)
      line.add("loss", loss)
      line.add("lr", update.rate)
      line.add("grad_norm", update.norm())
      line.add("samples_per_second", meter.samplesPerSecondSinceLastAsked())
      try log(line)
    }
    console.progress(
      isEpochsEnd: batch + 1 == deal.order.stepsPerEpoch,
      Console.Progress(
        epoch: epoch, epochs: job.epochs, step: batch + 1, stepsPerEpoch: deal.order.stepsPerEpoch,
        secondsInEpoch: meter.seconds, stepsPerSecond: meter.stepsPerSecond, loss: loss))
  }
}
