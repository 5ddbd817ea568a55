import System
import TestSupport
import Testing

import func System.fixed
// Training has an Outcome too.
import struct TestSupport.Outcome

/// `nndist similar`.
@Suite struct SimilarTests {
  let jobs = Jobs()

  init() throws {
    let outcome = try jobs.command([
      "mnist-autoencoder", "--data", jobs.data, "--run", "run", "--epochs", "2", "--set",
      "data.sample=null", "--set", "model.hidden=7", "--eval-every", "0",
    ])
    try #require(outcome.status == 0, "\(outcome)")
  }

  /// The table's lines: rank, sample, cosine.
  private func rows(_ arguments: [String]) throws -> (head: String, rows: [[String]]) {
    let outcome = try jobs.command(["similar", "run"] + arguments)
    try #require(outcome.status == 0 && outcome.stderr.isEmpty, "\(outcome)")
    let lines = outcome.stdout.split(separator: "\n")
    try #require(lines.count > 2, "\(outcome)")
    #expect(lines[1].split(separator: " ") == ["rank", "sample", "cosine"])
    return (String(lines[0]), lines.dropFirst(2).map { $0.split(separator: " ").map(String.init) })
  }

  /// The same from the activations that `predict` gives.
  @Test(arguments: [(18, "train"), (56, "test")])
  func cosinesAreThoseOfTheCode(index: Int, split: String) throws {
    let (head, rows) = try rows(["--index", "\(index)", "--split", split, "--top", "9"])
    #expect(
      head
        == "run/checkpoints/latest: cosine of net.2's activations with sample \(index)'s, \(split)")
    #expect(rows.map { $0[0] } == (0..<9).map(String.init))
    #expect(rows[0][1...] == ["\(index)", "1.000000"])

    let saved = try jobs.command([
      "predict", "run", "--split", split, "--layer", "net.2", "--output", "code.npy",
    ])
    try #require(saved.status == 0, "\(saved)")
    let (shape, values) = readNPY(jobs.path("code.npy"))
    #expect(shape == [split == "train" ? 203 : 57, 7])
    let codes = stride(from: 0, to: values.count, by: 7).map {
      values[$0..<$0 + 7].map(Double.init)
    }
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    func cosine(_ sample: Int) -> Double {
      let lengths = (dot(codes[sample], codes[sample]) * dot(codes[index], codes[index]))
        .squareRoot()
      return lengths == 0 ? 0 : dot(codes[sample], codes[index]) / lengths
    }
    for row in rows {
      #expect(abs(cosine(Int(row[1])!) - Double(row[2])!) < 1e-6)
    }
    let others = rows.dropFirst().map { Double($0[2])! }
    #expect(others == others.sorted(by: >))
    let best = codes.indices.filter { $0 != index }.map(cosine).sorted(by: >).prefix(8)
    #expect(best.map { fixed($0, 6) } == rows.dropFirst().map { $0[2] })
  }

  @Test func anotherLayerAndFewerRows() throws {
    let (head, rows) = try rows(["--index", "3", "--rows", "6", "--top", "50", "--layer", "net.4"])
    #expect(head.contains("cosine of net.4's activations"))
    #expect(rows.count == 6 && Set(rows.map { $0[1] }) == Set((0..<6).map(String.init)))
  }

  @Test(arguments: Launch.allCases)
  func wrongOptionsAreOneError(launch: Launch) throws {
    let run = jobs.path("run")
    for (arguments, parts) in [
      (["--index", "203"], ["--index 203: the train split has 203 samples", "from 0 to 202"]),
      (
        ["--index", "6", "--rows", "6"],
        ["has 6 samples to compare, as --rows says", "from 0 to 5"]
      ),
      (
        ["--index", "1", "--layer", "net.9"], ["no layer net.9", "choose from net.0, net.1, net.2"]
      ),
      (["--index", "1", "--top", "0"], ["--top 0 is not allowed; it must be 1 or more"]),
      ([], ["Missing expected argument '--index"]),
    ] {
      let outcome = try launch.nndist(["similar", run] + arguments)
      expectError(outcome, 64)
      for part in parts { #expect(outcome.stderr.contains(part), "\(outcome)") }
      #expect(outcome.stdout.isEmpty)
      if launch == .onFourRanks { break }
    }
  }

  /// One output has no direction: the layer before is taken, and the sample itself stands first also
  /// among equals.
  @Test func layersOfOneOutputArePassedOver() throws {
    let made = try jobs.command(["wave", "--run", "wave", "--max-steps", "3", "--eval-every", "0"])
    try #require(made.status == 0, "\(made)")
    let chosen = try jobs.command(["similar", "wave", "--index", "3"])
    #expect(
      chosen.stdout.contains("cosine of activation's activations with sample 3's"), "\(chosen)")
    let single = try jobs.command(["similar", "wave", "--index", "3", "--layer", "output_layer"])
    let lines = single.stdout.split(separator: "\n").dropFirst(2)
    #expect(lines.first?.split(separator: " ") == ["0", "3", "1.000000"], "\(single)")
  }
}
