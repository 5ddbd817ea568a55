import Foundation
import TestSupport
import Testing

/// `bench steps`: its figures hang together. How large they are is no test's matter.
@Suite struct BenchStepsTests {
  private struct Report: Decodable {
    let workload: String
    let ranks, threads, shards, batchSize, parameters, bytes: Int
    let microseconds, lowMicroseconds, highMicroseconds, samplesPerSecond: Double
    let gflopPerSecond, made, limitMicroseconds, kernels, graph: Double?
    let peakGflopPerSecond, bytesPerSecond, data, reduction, optimizer, newTensors: Double
  }

  private func reports(_ outcome: Outcome) throws -> [Report] {
    try #require(outcome.status == 0, "\(outcome)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try outcome.stdout.split(separator: "\n").filter { $0.hasPrefix("{") }
      .map { try decoder.decode(Report.self, from: Data($0.utf8)) }
  }

  @Test(arguments: [1, 2]) func figuresHangTogether(ranks: Int) throws {
    let command = [nndist, "bench", "steps", "--only", "rings,rnn", "--steps", "20", "--json"]
    // A network of one sample has one shard's work, however many ranks there are.
    let reports = try reports(ranks == 1 ? try run(command) : try mpirun(ranks: ranks, command))
    #expect(reports.map(\.workload) == ["rings", "rnn"])
    #expect(reports.map(\.batchSize) == [2000, 1])
    // 2-3-1: 6 + 3 + 3 + 1. An Elman network of 4: 4 + 16 + 4 + 4 + 1. Adam keeps two arenas.
    #expect(reports.map(\.parameters) == [13, 29])
    for report in reports {
      #expect(report.ranks == ranks && report.shards == ranks && report.threads == 1)
      #expect(report.bytes == report.parameters * 4 * 10)
      #expect(report.lowMicroseconds > 0 && report.lowMicroseconds <= report.microseconds)
      #expect(report.microseconds <= report.highMicroseconds)
      let rate = Double(report.batchSize) / report.microseconds * 1e6
      #expect(abs(report.samplesPerSecond - rate) < 1e-6 * rate)
      let shares = [report.data, report.kernels ?? -1, report.graph ?? -1, report.optimizer]
      #expect(shares.allSatisfy { 0...1 ~= $0 }, "\(report)")
      #expect(0...1 ~= report.reduction && report.peakGflopPerSecond > 0)
      #expect(report.made == 1, "too small for zeros to be looked for")
      #expect((report.limitMicroseconds ?? 0) > 0 && report.bytesPerSecond > 0)
    }
    // Its 699 steps wait for each other, some fifty times as long as its operations would take.
    let rnn = try #require(reports.last)
    let made = try #require(rnn.gflopPerSecond) * rnn.microseconds
    #expect(try #require(rnn.limitMicroseconds) > 2 * made / rnn.peakGflopPerSecond)
    // Forward 2,000 x 2 x 3 and 2,000 x 3 x 1 products, and as many for either gradient but that of the
    // input, which nobody wants: 2 operations each.
    let operations = Double(2 * 2000 * (2 * 6 + 3 * 3))
    let rings = try #require(reports.first)
    let measured = try #require(rings.gflopPerSecond) * rings.microseconds * 1e3
    #expect(abs(measured - operations) < 1e-6 * operations)
  }

  @Test func tableHasALineForEachWorkload() throws {
    let outcome = try run([nndist, "bench", "--only", "rnn", "--steps", "5"])
    #expect(outcome.status == 0, "\(outcome)")
    let lines = outcome.stdout.split(separator: "\n")
    try #require(lines.count == 3, "\(outcome)")
    #expect(lines[0].contains("1 rank x 1 thread; a core reaches "))
    #expect(lines[1].hasPrefix("workload") && lines[2].hasPrefix("rnn "))
    #expect(Set(lines[1...].map(\.count)).count == 1)
  }

  @Test func unknownWorkloadIsRefused() throws {
    let outcome = try run([nndist, "bench", "--only", "rings,mlp"])
    expectError(outcome, 64, "--only mlp: there is no such workload; choose from threeblue, mlp512")
  }
}
