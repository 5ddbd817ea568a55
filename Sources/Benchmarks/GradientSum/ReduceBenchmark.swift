import Communication
import DataParallel
import Foundation
import System
import Tensors

/// The results of `bench reduce`.
struct ReduceBenchmark: Encodable {
  struct Row: Encodable {
    let bytes: Int
    let floats: Int
    let repetitions: Int
    let reduceMicroseconds: Double
    let mpiAllreduceMicroseconds: Double
    /// The time of MPI_Allreduce over that of our reduction.
    let speedup: Double
    /// Bytes read plus bytes written by all ranks together.
    let copyBytesPerSecond: Double
    let boundMicroseconds: Double
    let mpiBoundMicroseconds: Double
  }

  let ranks: Int
  let hosts: Int
  /// Cores online on root's host.
  let cores: Int
  let host: String
  let mpi: String
  /// The path of the floats, TreeReduction.Path.
  let path: String
  let rows: [Row]

  /// Sizes in bytes, 1 KB to 64 MB.
  static let sizes = (0...8).map { 1024 << (2 * $0) }

  /// Collective: every rank. The report is the same on all ranks.
  /// - Parameter largest: the last size in bytes; nil: the last of `sizes`.
  /// - Throws: Failure if a sum is wrong; MPIError.
  static func run(_ world: Communicator, upTo largest: Int?) throws -> ReduceBenchmark {
    var sizes = sizes
    if let largest { sizes = sizes.filter { $0 < largest } + [largest] }
    // All bandwidths first, so that no reduction runs at the same time.
    let bandwidths = try sizes.map { try copyBandwidth(bytes: $0, world) }
    var path = TreeReduction.Path.messages
    let rows = try zip(sizes, bandwidths).map { bytes, bandwidth in
      let bench = try SizeBenchmark(floats: bytes / MemoryLayout<Float>.stride, world)
      path = bench.path
      let (ours, mpi, repetitions) = try bench.run()
      let p = Double(world.worldSize)
      let passMicroseconds = Double(bytes) / bandwidth * 1e6
      return Row(
        bytes: bytes, floats: bytes / MemoryLayout<Float>.stride, repetitions: repetitions,
        reduceMicroseconds: ours, mpiAllreduceMicroseconds: mpi, speedup: mpi / ours,
        copyBytesPerSecond: bandwidth, boundMicroseconds: 2 * p * passMicroseconds,
        mpiBoundMicroseconds: (3 * p + 1) * passMicroseconds)
    }
    // Each host has exactly one rank with localRank 0.
    let hosts = try world.allgather(world.localRank == 0 ? 1 : 0).reduce(0, +)
    return ReduceBenchmark(
      ranks: world.worldSize, hosts: Int(hosts), cores: Cores.online, host: world.hostName,
      mpi: MPILibrary.version,
      path: path.rawValue, rows: rows)
  }

  /// Bytes per second that all ranks together read and write if each copies `bytes` bytes.
  static func copyBandwidth(bytes: Int, _ world: Communicator) throws -> Double {
    let from = Storage(byteCount: bytes)
    let to = Storage(byteCount: bytes)
    memset(from.base, 1, bytes)
    memset(to.base, 2, bytes)
    // So many copies that the time of the clock and of the barriers is negligible. The time ends
    // when the last rank is done: if ranks share a core, each rank alone would seem to have all of
    // it.
    let copies = max((16 << 20) / bytes, 1)
    let times = try (0..<25).map { _ in
      try timed(world) {
        for _ in 0..<copies { memcpy(to.base, from.base, bytes) }
        try world.barrier()
      }
    }
    // The fastest time: a limit is what the machine can do when other programs do not disturb it.
    let microseconds = try slowest(times, world).min()!
    return 2 * Double(bytes * copies * world.worldSize) / microseconds * 1e6
  }

  /// The time of `body` in microseconds; all ranks start it together.
  fileprivate static func timed(_ world: Communicator, _ body: () throws -> Void) throws -> Double {
    try world.barrier()
    let start = DispatchTime.now().uptimeNanoseconds
    try body()
    return Double(DispatchTime.now().uptimeNanoseconds - start) / 1000
  }

  /// For each repetition, the longest of all ranks' times.
  static func slowest(_ times: [Double], _ world: Communicator) throws -> [Double] {
    let bytes = times.withUnsafeBytes { Array($0) }
    let all = try world.allgather(bytes: bytes).map { bytes in
      bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
    }
    return times.indices.map { index in all.map { $0[index] }.max()! }
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}

/// Times both reductions for one size.
private struct SizeBenchmark {
  private let world: Communicator
  private let reduction: TreeReduction
  private let arena: UnsafeMutableBufferPointer<Float>
  private let buffer: Tensor

  var path: TreeReduction.Path { reduction.path }

  init(floats: Int, _ world: Communicator) throws {
    self.world = world
    reduction = try TreeReduction(
      communicator: world, shardCount: world.worldSize, elementCount: floats)
    arena = UnsafeMutableBufferPointer(
      start: reduction.arenas[0].pointer(Float.self), count: floats)
    buffer = Tensor(zeros: [floats])
  }

  private var mpiBuffer: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: buffer.pointer(Float.self), count: buffer.elementCount)
  }

  /// Times both reductions in turn.
  /// - Returns: the medians, in microseconds, and their number of repetitions.
  func run() throws -> (ours: Double, mpi: Double, repetitions: Int) {
    try verify()
    // After some warm-up, as many repetitions as take about a second; the same number on all ranks.
    for _ in 0..<3 { _ = (try timeOurs(), try timeMPI()) }
    let once = try timeOurs() + timeMPI()
    let wanted = Int64((1e6 / max(once, 1)).rounded())
    let repetitions = Int(try world.allreduceMin(min(max(wanted, 11), 501)))
    var ours: [Double] = []
    var mpi: [Double] = []
    for _ in 0..<repetitions {
      ours.append(try timeOurs())
      mpi.append(try timeMPI())
    }
    return (
      ReduceBenchmark.median(try ReduceBenchmark.slowest(ours, world)),
      ReduceBenchmark.median(try ReduceBenchmark.slowest(mpi, world)), repetitions
    )
  }

  /// Writes new gradients before each repetition, which is not timed. In training, too, a rank has
  /// just written them, from the arena's end to its beginning. A sum of memory that no rank writes
  /// would be faster than any sum in training.
  private func write(_ gradients: UnsafeMutableBufferPointer<Float>) {
    let block = 4096
    for start in stride(from: 0, to: gradients.count, by: block).reversed() {
      gradients[start..<min(start + block, gradients.count)]
        .update(repeating: Float(world.rank + 1))
    }
  }

  private func timeOurs() throws -> Double {
    write(arena)
    return try ReduceBenchmark.timed(world) { _ = try reduction.allreduceSum() }
  }

  private func timeMPI() throws -> Double {
    write(mpiBuffer)
    return try ReduceBenchmark.timed(world) { try world.allreduceSum(mpiBuffer) }
  }

  /// Checks both sums: with P ranks all elements are P (P + 1) / 2, small integers that are exact
  /// in any order of additions.
  private func verify() throws {
    let p = world.worldSize
    let expected = Float(p * (p + 1) / 2)
    _ = try timeMPI()
    write(arena)
    let sum = UnsafeBufferPointer(start: try reduction.allreduceSum(), count: arena.count)
    try world.agree(on: "checking the sums") {
      guard sum.allSatisfy({ $0 == expected }), mpiBuffer.allSatisfy({ $0 == expected }) else {
        throw Failure(.trainingFailed, "a sum of \(arena.count) floats is not \(expected)")
      }
    }
  }
}
