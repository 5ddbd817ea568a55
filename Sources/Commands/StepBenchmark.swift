import Autograd
import DataParallel
import Datasets
import Dispatch
import Layers
import Optimizers
import System
import Tensors
import Training

/// What `bench step` measures: the parts of a training step of one rank with one shard and one thread,
/// as `Trainer` makes it, without the reduction.
struct StepBenchmark {
  private let job: TrainingJob
  private let data: SampleStore
  private let format: SampleFormat
  private let layout: ArenaLayout
  private let parameters: Tensor
  private let replica: ShardReplica
  private let optimizer: any Optimizer

  /// Reads the training split.
  /// - Precondition: `job` has one shard.
  init(_ job: TrainingJob) throws {
    self.job = job
    data = try job.data.load(.train, shards: 0..<1, shardCount: 1)
    var format = job.data.format
    if job.data.standardization != .none {
      format.standardize(job.data.standardization([job.data.statistics(data, shard: 0)]))
    }
    self.format = format
    let module = job.makeModel()
    layout = ArenaLayout(of: module)
    parameters = Tensor(zeros: [layout.elementCount])
    replica = ShardReplica(
      shard: 0, module: module, layout: layout, parameters: parameters,
      buffers: ModuleBuffers(of: module))
    job.initialize(module)
    optimizer = job.makeOptimizer(layout.elementCount)
  }

  /// - Parameter samples: batches to time, each for about a second.
  /// - Throws: Failure(.usage) where the training split has fewer samples.
  func measure(samples: [Int], host: String) throws -> StepMeasurement {
    for count in samples where count > data.sampleCount {
      throw Failure(
        .usage, "--samples \(count): the training split has \(data.sampleCount)",
        remedy: "give at most as many")
    }
    let rows = samples.map(row)
    let ready = readyParts(samples: samples.max()!)
    let gradients = zip(layout.entries, ready).map { entry, ready in
      let bytes = entry.shape.elementCount * MemoryLayout<Float>.stride
      return StepMeasurement.Gradient(name: entry.name, bytes: Double(bytes), ready: ready)
    }
    return StepMeasurement(name: job.name, host: host, gradients: gradients, rows: rows)
  }

  private func row(samples: Int) -> StepMeasurement.Row {
    var step = 0
    let times = repeatedly { () -> [Double] in
      step += 1
      let start = now()
      let loss = forward(samples: samples, step: step)
      let forwardEnd = now()
      replica.differentiate(loss)
      let backwardEnd = now()
      optimizer.step(
        parameters: UnsafeMutableBufferPointer(
          start: parameters.pointer(Float.self), count: layout.elementCount),
        // So small that it never goes wrong, however long it is timed.
        gradients: replica.arena.pointer(Float.self), learningRate: 1e-6, step: step)
      return [forwardEnd - start, backwardEnd - forwardEnd, now() - backwardEnd]
    }
    let medians = (0..<3).map { part in median(times.map { $0[part] }) }
    return StepMeasurement.Row(
      samples: Double(samples), forwardMicroseconds: medians[0], backwardMicroseconds: medians[1],
      optimizerMicroseconds: medians[2])
  }

  /// By parameter the part of the backward pass after which its gradient is there: the time of a pass
  /// that ends with it, as those before it need no gradient, over the time of a whole pass.
  private func readyParts(samples: Int) -> [Double] {
    let all = replica.module.parameters
    let seconds = all.indices.map { first -> Double in
      for (i, parameter) in all.enumerated() where i < first { parameter.requiresGrad = false }
      defer { for parameter in all[..<first] { parameter.requiresGrad = true } }
      return median(
        repeatedly(seconds: 0.3) {
          let loss = forward(samples: samples, step: 1)
          let start = now()
          loss.backward()
          let time = now() - start
          for parameter in all[first...] { parameter.zeroGrad() }
          return time
        })
    }
    // A gradient is never there before one that comes before it; noise may say otherwise.
    var parts = seconds.map { $0 / seconds[0] }
    for i in parts.indices.dropLast().reversed() { parts[i] = max(parts[i], parts[i + 1]) }
    return parts.map { min($0, 1) }
  }

  /// The gathering of samples, and the forward pass.
  private func forward(samples: Int, step: Int) -> Tensor {
    let first = data.sampleCount > samples ? step * samples % (data.sampleCount - samples) : 0
    let local = (0..<samples).map { Int32(first + $0) }
    replica.module.setDropoutKey(
      DropoutKey(seed: job.seed, step: step, samples: local.map(Int.init)))
    let batch = local.withUnsafeBufferPointer {
      format.batch(data, shard: 0, local: $0, epoch: 1)
    }
    return job.loss(replica.module(batch.inputs), batch.targets, globalCount: samples)
  }

  /// What `body` returns, for about so many seconds after some warm-up.
  private func repeatedly<T>(seconds: Double = 1, _ body: () -> T) -> [T] {
    for _ in 0..<3 { _ = body() }
    let end = now() + seconds * 1e6
    var results: [T] = []
    while results.count < 5 || now() < end { results.append(body()) }
    return results
  }

  /// In microseconds.
  private func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1000 }

  private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}
