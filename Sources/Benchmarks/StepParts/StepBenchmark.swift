import Communication
import DataParallel
import Dispatch
import Layers
import System
import Tensors
import Training

/// Measures for `bench step`: the parts of a training step of one rank with one shard and one
/// thread.
struct StepBenchmark {
  private let job: TrainingJob
  private let world: Communicator
  private let step: DataParallelStep<any Module>

  /// - Precondition: `job` has one shard, and `world` one rank.
  init(_ job: TrainingJob, world: Communicator) throws {
    self.job = job
    self.world = world
    var options = StepOptions()
    options.threads = 1
    options.seed = job.seed
    let engine = try StepEngine(
      world, shards: 1, model: job.makeModel, optimizer: job.optimizer, options: options)
    job.initialize?(engine.module)
    step = DataParallelStep(engine)
  }

  /// - Parameter samples: batch sizes to time, each for about a second.
  /// - Throws: Failure(.usage) if the training split has fewer samples than one of them.
  func measure(samples: [Int], host: String) throws -> StepMeasurement {
    defer { step.engine.end() }
    let rows = try samples.map(row)
    let ready = try readyParts(samples: samples.max()!)
    let gradients = zip(step.engine.layout.entries, ready).map { entry, ready in
      let bytes = entry.shape.elementCount * MemoryLayout<Float>.stride
      return StepMeasurement.Gradient(name: entry.name, bytes: Double(bytes), ready: ready)
    }
    return StepMeasurement(name: job.name, host: host, gradients: gradients, rows: rows)
  }

  private func data(samples: Int) throws -> ShardedData {
    let data = try ShardedData(
      job.data, world: world, shards: 1, batchSize: samples, seed: job.seed, shuffle: false)
    guard samples <= data.sampleCount else {
      throw Failure(
        .usage, "--samples \(samples): the training split has \(data.sampleCount)",
        remedy: "give at most as many")
    }
    return data
  }

  private func loss(_ model: any Module, _ part: BatchPart) -> Tensor {
    job.loss(model(part.inputs), part.targets, globalCount: part.globalCount)
  }

  private func row(samples: Int) throws -> StepMeasurement.Row {
    let data = try data(samples: samples)
    let batches = data.batches(epoch: 1).filter { $0.sampleCount == samples }
    var count = 0
    let times = try repeatedly { () -> StepTimes in
      defer { count += 1 }
      // The rate is so small that training never diverges, even in a long measurement.
      return try step(batches[count % batches.count], learningRate: 1e-6, loss: loss).times
    }
    func medianMicroseconds(_ part: (StepTimes) -> Double) -> Double {
      median(times.map { part($0) * 1e6 })
    }
    return StepMeasurement.Row(
      samples: Double(samples),
      forwardMicroseconds: medianMicroseconds { $0.batch + $0.forward },
      backwardMicroseconds: medianMicroseconds { $0.backward },
      optimizerMicroseconds: medianMicroseconds { $0.optimizer })
  }

  /// For each parameter, the fraction of the backward pass after which its gradient is complete:
  /// the time of a pass that ends with this parameter, because the earlier ones require no
  /// gradient, over the time of a whole pass.
  private func readyParts(samples: Int) throws -> [Double] {
    let batch = try data(samples: samples).batches(epoch: 1)[0]
    let module = step.engine.module
    let all = module.parameters
    let seconds = try all.indices.map { first -> Double in
      for (i, parameter) in all.enumerated() where i < first { parameter.requiresGrad = false }
      defer { for parameter in all[..<first] { parameter.requiresGrad = true } }
      return median(
        try repeatedly(seconds: 0.3) {
          let loss = loss(module, try batch.firstPart())
          let start = now()
          loss.backward()
          let time = now() - start
          for parameter in all[first...] { parameter.zeroGrad() }
          return time
        })
    }
    // A backward pass completes the last gradient first. Noise may make the measured order wrong.
    var parts = seconds.map { $0 / seconds[0] }
    for i in parts.indices.dropLast().reversed() { parts[i] = max(parts[i], parts[i + 1]) }
    return parts.map { min($0, 1) }
  }

  /// Calls `body` repeatedly for about `seconds`, after some warm-up, and returns its results.
  private func repeatedly<T>(seconds: Double = 1, _ body: () throws -> T) rethrows -> [T] {
    for _ in 0..<3 { _ = try body() }
    let end = now() + seconds * 1e6
    var results: [T] = []
    while results.count < 5 || now() < end { results.append(try body()) }
    return results
  }

  /// The time in microseconds.
  private func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1000 }

  private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}
