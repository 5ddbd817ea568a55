import Communication
import DataParallel
import Dispatch
import Foundation
import Kernels
import Recipes
import System
import Tensors
import Training

/// What `bench steps` measures of a workload.
struct StepsReport: Codable {
  let workload: String
  let ranks, threads, shards, batchSize, parameters: Int
  /// A step's median, and its 10th and 90th percentile.
  let microseconds, lowMicroseconds, highMicroseconds: Double
  let samplesPerSecond: Double
  /// Of matrix products and convolutions; nil where several threads share them.
  let gflopPerSecond: Double?
  /// Of those operations, the part that was made: products of 0 are passed over in places.
  let made: Double?
  /// What all ranks' cores reach together.
  let peakGflopPerSecond: Double
  /// Of parameters, gradients and optimizer state, on each rank.
  let bytes: Int
  let bytesPerSecond: Double
  let limitMicroseconds: Double?
  /// Of a step: nil as above.
  let kernels: Double?
  let graph: Double?
  let data, reduction, optimizer: Double
  let newTensors: Double

  func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  static let columns: [(title: String, width: Int)] = [
    ("workload", -14), ("batch", 6), ("us", 9), ("low", 9), ("high", 9), ("samples/s", 10),
    ("GFLOP/s", 8), ("of peak", 8), ("made", 6), ("limit us", 9), ("us/limit", 8), ("data", 5),
    ("kernels", 8),
    ("graph", 6), ("sum", 5), ("optim.", 7), ("new", 5),
  ]

  static func aligned(_ cells: [String]) -> String {
    zip(columns, cells).map { column, cell in
      let padding = String(repeating: " ", count: max(abs(column.width) - cell.count, 0))
      return column.width < 0 ? cell + padding : padding + cell
    }.joined(separator: " ")
  }

  var row: String {
    func time(_ value: Double) -> String { fixed(value, value < 100 ? 1 : 0) }
    func share(_ value: Double?) -> String { value.map { fixed($0 * 100, 0) + " %" } ?? "-" }
    return StepsReport.aligned([
      workload, "\(batchSize)", time(microseconds), time(lowMicroseconds), time(highMicroseconds),
      fixed(samplesPerSecond, 0), gflopPerSecond.map { fixed($0, 1) } ?? "-",
      share(gflopPerSecond.map { $0 / peakGflopPerSecond }), share(made),
      limitMicroseconds.map(time) ?? "-",
      limitMicroseconds.map { fixed(microseconds / $0, 2) } ?? "-", share(data), share(kernels),
      share(graph), share(reduction), share(optimizer), fixed(newTensors, 1),
    ])
  }
}

/// Times workloads on the ranks there are.
struct StepsBenchmark {
  let world: Communicator
  let threads: Int
  let precision: Precision
  /// Of one core, in that precision.
  let peak: Double

  /// Collective: every rank.
  init(world: Communicator, threads: Int, precision: Precision) throws {
    self.world = world
    self.threads = threads
    self.precision = precision
    let peaks = try world.allgather(StepsBenchmark.matmulPeak(precision).bitPattern)
    peak = peaks.map(Double.init(bitPattern:)).reduce(0, +) / Double(peaks.count)
  }

  var heading: String {
    "\(world.hostName): \(counted(world.worldSize, "rank")) x \(counted(threads, "thread")); a core reaches "
      + "\(fixed(peak, 1)) GFLOP/s in \(precision) matrix products\n"
      + StepsReport.aligned(StepsReport.columns.map(\.title))
  }

  /// GFLOP/s of the fastest of many products of 192 x 256 by 256 x 192 on this core: all of it stays in
  /// the second-level cache.
  private static func matmulPeak(_ precision: Precision) -> Double {
    let (m, n, k) = (192, 192, 256)
    let a = Tensor([Float](repeating: 0.5, count: m * k), shape: [m, k])
    let b = Tensor([Float](repeating: 0.25, count: k * n), shape: [k, n])
    let c = Tensor(zeros: [m, n])
    var best = Double.infinity
    for _ in 0..<400 {
      let start = now()
      for _ in 0..<4 { _ = matmul(a, b, into: c, precision: precision) }
      best = min(best, (now() - start) / 4)
    }
    return Double(2 * m * n * k) / best * 1e-3
  }

  /// Of all steps of a recurrence, forwards and backwards, and nothing else: the fastest of many. Each step
  /// waits for the one before it, so that neither operations nor bytes bound it.
  private static func recurrenceMicroseconds(_ series: Shape) -> Double {
    let recurrence = Recurrence(isReLU: false, isBackward: false)
    let (samples, hidden) = (series[1], series[2])
    let (x, start) = (Tensor(zeros: series), Tensor(zeros: [samples, hidden]))
    let (weight, bias) = (Tensor(zeros: [hidden, hidden]), Tensor(zeros: [hidden]))
    return (0..<1000).reduce(.infinity) { best, _ in
      let begin = now()
      let states = recurrence.states(x, start: start, weight: weight, bias: bias)
      _ = recurrence.gradients(x, states: states, weight: weight)
      return min(best, now() - begin)
    }
  }

  /// In microseconds.
  private static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1000 }

  /// Collective: every rank. The same report on all.
  func run(_ workload: BenchWorkload, _ recipe: Recipe, steps: Int) throws -> StepsReport {
    let warmUp = max(steps / 10, 3)
    // With a clock around every kernel: their share, in steps of their own.
    let clocked = threads == 1 ? max(steps / 10, 3) : 0
    return try withBenchRun(
      of: recipe, maxSteps: warmUp + steps + clocked, threads: threads, world
    ) {
      try measure($0, workload, recipe, warmUp: warmUp, steps: steps, clocked: clocked)
    }
  }

  private func measure(
    _ trainer: Trainer, _ workload: BenchWorkload, _ recipe: Recipe, warmUp: Int, steps: Int,
    clocked: Int
  ) throws -> StepsReport {
    var ends: [Double] = []
    var parts = StepTimes()
    var clockedParts = StepTimes()
    var operations = (first: 0, last: 0)
    var operationsMade = (first: 0, last: 0)
    var allocations = (first: 0, last: 0)
    let clockBefore = KernelClock.seconds
    ends.reserveCapacity(steps + 1)
    trainer.onStep = { step, times in
      if step >= warmUp && step <= warmUp + steps { ends.append(StepsBenchmark.now()) }
      switch step {
      case warmUp:
        operations.first = KernelClock.operations
        operationsMade.first = KernelClock.operationsMade
        allocations.first = BufferPool.shared.statistics.systemAllocations
      case warmUp + 1...warmUp + steps:
        parts.accumulate(times)
        guard step == warmUp + steps else { break }
        operations.last = KernelClock.operations
        operationsMade.last = KernelClock.operationsMade
        allocations.last = BufferPool.shared.statistics.systemAllocations
        KernelClock.isOn = clocked > 0
      case (warmUp + steps)...: clockedParts.accumulate(times)
      default: break
      }
    }
    _ = try trainer.run()
    KernelClock.isOn = false

    let durations = zip(ends.dropFirst(), ends).map { $0 - $1 }.sorted()
    func percentile(_ share: Double) -> Double { durations[Int(share * Double(steps - 1))] }
    let step = ReduceBenchmark.median(durations)
    /// Of a step, on all ranks.
    func gflop(_ operations: (first: Int, last: Int)) throws -> Double {
      let all = try world.allgather(UInt64(operations.last - operations.first)).reduce(0, +)
      return Double(all) / Double(steps) * 1e-9
    }
    let (all, made) = (try gflop(operations), try gflop(operationsMade))
    let isCounted = threads == 1
    let allPeak = peak * Double(world.worldSize * threads)
    // Read forwards and backwards, made, and read and written by the optimizer, as its state is.
    let arena = trainer.parameterCount * MemoryLayout<Float>.size
    let bytes = arena * (6 + 2 * trainer.optimizerStateCount)
    let bandwidth = try ReduceBenchmark.copyBandwidth(bytes: max(bytes, 4096), world)
    let byBytes = Double(bytes * world.worldSize) / bandwidth * 1e6
    let byOrder = workload.series.map(StepsBenchmark.recurrenceMicroseconds) ?? 0
    func share(_ seconds: Double, of total: StepTimes) -> Double { seconds / total.total }
    let passes = clockedParts.forward + clockedParts.backward
    // Kernels also gather samples; those are few and short.
    let kernels = min(KernelClock.seconds - clockBefore, passes)
    return StepsReport(
      workload: workload.name, ranks: world.worldSize, threads: threads, shards: recipe.shards!,
      batchSize: recipe.batchSize, parameters: trainer.parameterCount, microseconds: step,
      lowMicroseconds: percentile(0.1), highMicroseconds: percentile(0.9),
      samplesPerSecond: Double(recipe.batchSize) / step * 1e6,
      gflopPerSecond: isCounted ? all / step * 1e6 : nil,
      made: isCounted ? made / all : nil, peakGflopPerSecond: allPeak, bytes: bytes,
      bytesPerSecond: bandwidth,
      limitMicroseconds: isCounted ? max(made / allPeak * 1e6, byBytes, byOrder) : nil,
      kernels: clocked > 0 ? share(kernels, of: clockedParts) : nil,
      graph: clocked > 0 ? share(passes - kernels, of: clockedParts) : nil,
      data: share(parts.batch, of: parts), reduction: share(parts.reduction, of: parts),
      optimizer: share(parts.optimizer, of: parts),
      newTensors: Double(allocations.last - allocations.first) / Double(steps))
  }
}
