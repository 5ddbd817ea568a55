import Foundation
import TestSupport
import Testing

/// `bench overlap`: its figures hang together. How large they are is no test's matter.
@Suite struct BenchOverlapTests {
  private struct Report: Decodable {
    struct Way: Decodable {
      let forward, backward, reduction, optimizer, total, samplesPerSecond: Double
    }
    let ranks, hosts, shards, batchSize, parameters, wireBytes: Int
    let afterwards: Way
    let beside: Way?
    let hidden: Double?
  }

  private let jobs = Jobs()

  private var command: [String] {
    jobs.folder.write("pets.csv", Jobs.pets(163))
    jobs.folder.write("pets.yaml", Jobs.petsRecipe)
    return ["env", "-C", jobs.folder.path, nndist, "bench", "overlap", "pets.yaml", "--steps", "3"]
  }

  private func report(_ outcome: Outcome) throws -> Report {
    try #require(outcome.status == 0, "\(outcome)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let json = outcome.stdout.drop { $0 != "{" }
    return try decoder.decode(Report.self, from: Data(json.utf8))
  }

  private func expectSound(_ way: Report.Way, _ report: Report) {
    #expect(way.forward > 0 && way.backward > 0 && way.total > way.forward)
    let rate = Double(report.batchSize) / way.total * 1e6
    #expect(abs(way.samplesPerSecond - rate) < 1e-6 * rate)
  }

  @Test(arguments: [1, 2]) func onOneHostThereIsNothingToHide(ranks: Int) throws {
    let all = command + ["--json", "--batch-size", "40"]
    let report = try report(ranks == 1 ? try run(all) : try mpirun(ranks: ranks, all))
    #expect(report.ranks == ranks && report.hosts == 1 && report.shards == ranks)
    #expect(report.batchSize == 40 && report.parameters == 100 && report.wireBytes == 0)
    #expect(report.beside == nil && report.hidden == nil)
    expectSound(report.afterwards, report)
  }

  @Test(.enabled(if: canPlayTwoHosts, "needs root, ip and tc"))
  func betweenHostsBothWaysAreTimed() throws {
    let report = try report(try twoHosts(ranks: "1", command + ["--json"]).outcome)
    #expect(report.ranks == 2 && report.hosts == 2)
    let beside = try #require(report.beside)
    expectSound(report.afterwards, report)
    expectSound(beside, report)
    let after = report.afterwards
    let hidden = (after.total - beside.total) / min(after.reduction, after.backward)
    #expect(report.hidden == hidden)
    // Six tensors in lines of 16 floats (24, 8, 48, 6, 12 and 2), a line of extras: 10 lines. Each of
    // two hosts sends half of them, and then the sum of the other half.
    #expect(report.wireBytes == 2 * 10 * 16 * 4)
  }

  @Test func aTableIsPrintedOnce() throws {
    let outcome = try mpirun(ranks: 2, command)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.stdout.components(separatedBy: "after the backward pass").count == 2)
    expectError(
      try run([nndist, "bench", "overlap", "--steps", "0"]), 64, "--steps 0 is not allowed")
  }
}
