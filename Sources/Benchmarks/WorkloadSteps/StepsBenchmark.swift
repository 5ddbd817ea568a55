import Communication
import DataParallel
import Dispatch
import Foundation
import Kernels
import Recipes
import System
import Tensors
import Training

/// The results of `bench steps` for one workload.
struct StepsReport: Codable {
  let workload: String
  let ranks, threads, shards, batchSize, parameters: Int
  /// The median of a step's time, and the 10th and 90th percentile.
  let microseconds, lowMicroseconds, highMicroseconds: Double
  let samplesPerSecond: Double
  /// The rate of matrix products and convolutions; nil with several threads, which are not counted.
  let gflopPerSecond: Double?
  /// The fraction of those operations that was computed: some kernels skip products of 0.
  let made: Double?
  /// The peak of all ranks' cores together.
  let peakGflopPerSecond: Double
  /// Bytes of parameters, gradients and optimizer state that a step reads and writes, on each rank.
  let bytes: Int
  let bytesPerSecond: Double
  /// The lower bound of a step's time; nil with several threads.
  let limitMicroseconds: Double?
  /// Fractions of a step's time; `kernels` and `graph` are nil with several threads.
  let kernels: Double?
  let graph: Double?
  let data, reduction, optimizer: Double
  /// Buffers per step that were allocated from the system.
  let newTensors: Double

  /// The report as one line of JSON.
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

/// Times workloads on all ranks of the job.
struct StepsBenchmark {
  let world: Communicator
  let threads: Int
  let precision: Precision
  /// GFLOP/s of one core in matrix products of that precision, the mean over the ranks.
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

  /// GFLOP/s of the fastest of many products of 192 x 256 by 256 x 192 on this core. All three
  /// matrices stay in the second-level cache.
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

  /// The fastest time of many of all steps of a recurrence, forward and backward, and nothing else.
  /// Each step waits for the previous one, so neither operations nor bytes limit it.
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

  /// The time in microseconds.
  private static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1000 }

  /// Collective: every rank. The report is the same on all ranks.
  func run(_ workload: BenchWorkload, _ recipe: Recipe, steps: Int) throws -> StepsReport {
    let warmUp = max(steps / 10, 3)
    // Extra steps, with a clock around every kernel, measure the kernels' share of the time.
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
    var operationsComputed = (first: 0, last: 0)
    var allocations = (first: 0, last: 0)
    let clockBefore = KernelClock.seconds
    ends.reserveCapacity(steps + 1)
    trainer.onStep = { step, times in
      if step >= warmUp && step <= warmUp + steps { ends.append(StepsBenchmark.now()) }
      switch step {
      case warmUp:
        operations.first = KernelClock.operations
        operationsComputed.first = KernelClock.operationsComputed
        allocations.first = BufferPool.shared.statistics.systemAllocations
      case warmUp + 1...warmUp + steps:
        parts.accumulate(times)
        guard step == warmUp + steps else { break }
        operations.last = KernelClock.operations
        operationsComputed.last = KernelClock.operationsComputed
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
    /// Billions of operations in a step, on all ranks.
    func gflop(_ operations: (first: Int, last: Int)) throws -> Double {
      let all = try world.allgather(UInt64(operations.last - operations.first)).reduce(0, +)
      return Double(all) / Double(steps) * 1e-9
    }
    let (all, made) = (try gflop(operations), try gflop(operationsComputed))
    let isCounted = threads == 1
    let allPeak = peak * Double(world.worldSize * threads)
    // Parameters are read in the forward and in the backward pass, gradients are written; the
    // optimizer reads gradients, and reads and writes parameters and its state.
    let arena = trainer.parameterCount * MemoryLayout<Float>.size
    let bytes = arena * (6 + 2 * trainer.optimizerStateCount)
    let bandwidth = try ReduceBenchmark.copyBandwidth(bytes: max(bytes, 4096), world)
    let byBytes = Double(bytes * world.worldSize) / bandwidth * 1e6
    let byOrder = workload.series.map(StepsBenchmark.recurrenceMicroseconds) ?? 0
    func share(_ seconds: Double, of total: StepTimes) -> Double { seconds / total.total }
    let passes = clockedParts.forward + clockedParts.backward
    // Kernels also gather samples, which is not a part of the passes, but takes little time.
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
