import ArgumentParser
import Communication
import Foundation
import System
import Training

/// `nndist bench reduce`.
struct BenchReduceCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "reduce",
    abstract: "Time the reduction of gradients, MPI_Allreduce and the lower bounds, side by side.",
    discussion: """
      mpirun -n 2 nndist bench reduce

      Every rank brings one shard of n bytes, just written. A time is the median over
      repetitions of the slowest rank's. Both reductions take turns, so that a busy machine
      troubles both. B is the bandwidth of a copy of n bytes to other memory by all ranks at once
      (bytes read plus bytes written, a second; the best of several).

      A lower bound of MPI_Allreduce is (3 p + 1) n / B: p n bytes are read and n written for the sum,
      2 p n for a copy of it on each of p ranks. nndist's ranks write each slice of the sum where
      they have read it, in every rank's memory: 2 p n / B. Between hosts the bounds do not hold.
      """)

  @Option(
    help: "The largest size in bytes, behind 1 KB, 4 KB, 16 KB and so on. (default: 64 MB)")
  var upTo: Int?

  @Flag(help: "Print JSON. (default: a table)")
  var json = false

  func validate() throws {
    if let upTo, upTo < ReduceBenchmark.sizes[0] {
      throw ValidationError("--up-to \(upTo) is below the smallest size, 1024 bytes")
    }
    if let upTo, upTo % MemoryLayout<Float>.stride != 0 {
      throw ValidationError("--up-to \(upTo) is no number of floats, which have 4 bytes each")
    }
  }

  func run(in session: RankSession) throws -> Int32 {
    let world = try session.world()
    guard world.worldSize > 1 else {
      throw Failure(
        .usage, "bench reduce measures what ranks do together, and this is one rank",
        remedy: "mpirun -n \(max(Cores.online, 2)) nndist bench reduce")
    }
    let report = try ReduceBenchmark.run(world, upTo: upTo)
    if world.isRoot { print(json ? try encodedJSON(report) : report.table) }
    return 0
  }
}

extension ReduceBenchmark {
  var table: String {
    var columns = Columns(
      [
        "size", "floats", "nndist us", "MPI us", "MPI / nndist", "B GB/s", "bound us",
        "nndist / bound",
        "MPI bound us", "MPI / bound",
      ], isText: [])
    for row in rows {
      columns.add([
        ReduceBenchmark.size(row.bytes), "\(row.floats)", figure(row.reduceMicroseconds),
        figure(row.mpiAllreduceMicroseconds), figure(row.speedup),
        figure(row.copyBytesPerSecond / 1e9), figure(row.boundMicroseconds),
        figure(row.reduceMicroseconds / row.boundMicroseconds), figure(row.mpiBoundMicroseconds),
        figure(row.mpiAllreduceMicroseconds / row.mpiBoundMicroseconds),
      ])
    }
    return """
      \(ranks) ranks, \(hosts == 1 ? "" : "\(hosts) hosts, ")\(cores) cores on \(host); by \(path); \(mpi)
      nndist: in place in each rank's shared memory; bound 2 p n / B. MPI_Allreduce: private memory; \
      (3 p + 1) n / B.
      \(columns.text)
      """
  }

  private static func size(_ bytes: Int) -> String {
    let (unit, name) = bytes < 1 << 20 ? (1 << 10, "KB") : (1 << 20, "MB")
    return fixed(Double(bytes) / Double(unit), bytes % unit == 0 ? 0 : 1) + " " + name
  }

  /// A number with at least three significant digits.
  private func figure(_ value: Double) -> String {
    value < 10 ? fixed(value, 2) : fixed(value, value < 100 ? 1 : 0)
  }
}
