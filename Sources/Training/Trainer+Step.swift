import DataParallel
import Layers
import System
import Tensors

/// Takes one step and logs it.
extension Trainer {
  /// Takes one step. Returns the run's outcome if all ranks agreed to stop; else nil.
  func takeStep(_ batch: GlobalBatch) throws -> Outcome? {
    engine.timeIsUp = timeIsUp(batch)
    let rate = job.schedule.rate(
      base: job.optimizer.learningRate, step: state.step + 1, totalSteps: totalSteps)
    let result: StepResult
    do {
      result = try step(batch, learningRate: rate) { [job] model, part in
        let outputs = model(part.inputs)
        if !job.metrics.isEmpty { self.count(outputs, part) }
        return job.loss(outputs, part.targets, globalCount: part.globalCount)
      }
    } catch let failure as Failure where engine.skippedInARow == StepEngine.skippedStepLimit {
      // Finish the save that was started before the skipped steps: the error's remedy names it.
      recorder.endSaving(timeNeeds)
      throw Failure(
        failure.status, failure.message, remedy: failure.remedy + recorder.savedBeforeSkips)
    }
    lastResult = result
    for warning in result.warnings { recorder.console.warning(warning) }
    if let skipped = result.skipped { try logSkipped(skipped, epoch: batch.epoch) }
    onStep?(result.step, result.times)
    state.step = result.step
    state.skippedInARow = engine.skippedInARow
    state.position += batch.sampleCount
    meter.add(samples: batch.sampleCount)
    if world.isRoot && result.skipped == nil { try log(result, batch) }
    if batch.isLastOfEpoch {
      state.epoch += 1
      state.position = 0
    }
    try runHooks(.step, number: state.step)
    switch result.stop {
    case .signal(let name): return .stopped(by: name)
    // Only root prints it in the end.
    case .timeIsUp: return .stopped(by: options.timeLimit?.name ?? "the time limit")
    case nil: return isStoppedByHook ? .stoppedByHook : nil
    }
  }

  /// Whether root has no time for another step. False on other ranks.
  private func timeIsUp(_ batch: GlobalBatch) -> Bool {
    guard world.isRoot, let limit = options.timeLimit else { return false }
    timeNeeds.noteStep()
    // The last step of an epoch is followed by the epoch's evaluation, also in the last epoch.
    let isEvaluated =
      evaluationInterval > 0
      && (state.epoch % evaluationInterval == 0 || state.epoch == job.epochs)
    return timeNeeds.exceed(
      limit, withEvaluation: isEvaluated && batch.index >= data.stepsPerEpoch - 2)
  }

  private func log(_ result: StepResult, _ batch: GlobalBatch) throws {
    if options.logEvery > 0 && state.step % options.logEvery == 0 {
      var line = JSONLine(event: "step")
      line.add("epoch", batch.epoch)
      line.add("step", state.step)
      line.add("samples", (batch.epoch - 1) * data.sampleCount + state.position)
      line.add("loss", result.loss)
      line.add("lr", result.learningRate)
      line.add("grad_norm", result.gradientNorm)
      line.add("samples_per_second", meter.samplesPerSecondSinceLastCall())
      try recorder.log(line)
    }
    recorder.console.progress(
      isEpochsEnd: batch.isLastOfEpoch,
      Console.Progress(
        epoch: batch.epoch, epochs: job.epochs, step: batch.index + 1,
        stepsPerEpoch: data.stepsPerEpoch, secondsInEpoch: meter.seconds,
        stepsPerSecond: meter.stepsPerSecond, loss: result.loss))
  }

  private func logSkipped(_ skipped: SkippedStep, epoch: Int) throws {
    if skipped.count == 1 { recorder.noteFirstSkip() }
    recorder.console.warning(
      "\(skipped.problem); the step is skipped (\(skipped.count) in a row)")
    var line = JSONLine(event: "skipped")
    line.add("epoch", epoch)
    line.add("step", lastResult!.step)
    line.add("reason", skipped.what)
    line.add("tensor", skipped.tensor)
    line.add("in_a_row", skipped.count)
    try recorder.log(line)
  }

  // MARK: - Metrics of the training samples

  /// Adds the metrics' counts of a part. The parts of one shard are counted by one thread at a
  /// time, so no lock is needed.
  private func count(_ outputs: NamedTensors, _ part: BatchPart) {
    let place = part.shard - engine.firstShard
    trainingCounts.withUnsafeMutableBufferPointer {
      $0[place].add(job.metrics.map { $0.counts(outputs, part.targets) })
    }
  }

  /// Logs the metrics over the samples that this launch trained on in an epoch. The shards' counts
  /// are added in shard order over all ranks.
  ///
  /// Collective: every rank.
  func logTrainingMetrics(epoch: Int) throws {
    guard !job.metrics.isEmpty else { return }
    var total = MetricCounts()
    for counts in try world.allgather(trainingCounts).joined() where !counts.sums.isEmpty {
      total.add(counts.sums)
    }
    var line = JSONLine(event: "epoch")
    line.add("epoch", epoch)
    line.add("step", state.step)
    line.add("split", "train")
    for (name, value) in total.values(job.metrics) { line.add(name, value) }
    try recorder.log(line)
  }
}
