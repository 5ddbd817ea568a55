import ArgumentParser
import Benchmarks
import Communication
import Foundation
import Kernels
import Recipes
import System

/// `nndist doctor`.
struct DoctorCommand: SessionCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Tell what is installed, bound, slow or missing, and the command that mends it.")

  @Option(help: "A folder to look for data sets in. (default: the system's)")
  var data: String?

  func run(in session: RankSession) throws -> Int32 {
    let world = try session.world()
    let mine =
      "rank \(world.rank) on \(world.hostName): cores \(DoctorCommand.ranges(Cores.usable))"
      + ", \(Cores.threads(localSize: world.localSize)) threads"
    let ranks = try world.gather(bytes: Array(mine.utf8)) ?? []
    guard world.isRoot else { return 0 }
    var lines = [
      row("nndist", RootCommand.version),
      row("MPI", "\(MPILibrary.version); \(launcher())"),
      row("kernels", "oneDNN \(OneDNN.version), \(OneDNN.instructionSet)"),
      row("cores", "\(Cores.online) on \(world.hostName)"),
    ]
    for (index, rank) in ranks.enumerated() {
      lines.append(row(index == 0 ? "ranks" : "", String(decoding: rank, as: UTF8.self)))
    }
    lines += bindingAdvice(world).map { row("", $0) }
    for (index, dataset) in DataSpec.ImageSet.allCases.enumerated() {
      lines.append(row(index == 0 ? "data" : "", found(dataset)))
    }
    print(lines.joined(separator: "\n"))
    return 0
  }

  private func row(_ name: String, _ text: String) -> String {
    name + String(repeating: " ", count: 9 - name.count) + text
  }

  private func launcher() -> String {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let path = folders.map { "\($0)/mpirun" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
    return path ?? "no mpirun in PATH: apt-get install openmpi-bin"
  }

  private func bindingAdvice(_ world: Communicator) -> [String] {
    var advice: [String] = []
    if world.worldSize == 1 && Cores.online > 1 {
      advice.append(
        "to use all cores: mpirun -n \(Cores.online) nndist, or nndist --shards \(Cores.online)")
    }
    if Cores.usable.count < Cores.online && world.localSize == 1 {
      advice.append(
        "slow: bound to \(Cores.usable.count) of \(Cores.online) cores; mpirun --bind-to none unbinds"
      )
    }
    if world.localSize > Cores.online {
      advice.append(
        "slow: \(world.localSize) ranks share \(Cores.online) cores; mpirun -n \(Cores.online) has one each"
      )
    }
    if getuid() == 0 && getenv("OMPI_ALLOW_RUN_AS_ROOT") == nil {
      advice.append(
        "as root, mpirun needs OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
          + "(launch/local sets them)")
    }
    return advice
  }

  private func found(_ dataset: DataSpec.ImageSet) -> String {
    do {
      return "\(dataset.rawValue): \(try dataset.folder(data).trainImages)"
    } catch let failure as Failure {
      return "\(dataset.rawValue): \(failure)"
    } catch {
      return "\(dataset.rawValue): \(error)"
    }
  }

  /// Formats core numbers as ranges: [0, 1, 2, 5] as "0-2,5".
  private static func ranges(_ cores: [Int]) -> String {
    var parts: [ClosedRange<Int>] = []
    for core in cores {
      if let last = parts.last, last.upperBound == core - 1 {
        parts[parts.count - 1] = last.lowerBound...core
      } else {
        parts.append(core...core)
      }
    }
    return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }
}
