import Foundation
import TestSupport
import Testing

let hasGnuplot = (try? run(["gnuplot", "--version"]))?.status == 0

/// `nndist bench step` and `bench model`, from measurement to picture. What the model computes is
/// CommandsTests'.
@Suite struct BenchModelTests {
  let jobs = Jobs()

  /// Between hosts: a link of 1 Gbit/s whose sums take 50 us + 8 ns a byte.
  func writeBetween() -> String {
    let rows = [1024, 65536, 4_194_304].map {
      #"{"bytes": \#($0), "reduce_microseconds": \#(50 + 8e-3 * Double($0)), "copy_bytes_per_second": 1e10}"#
    }
    return jobs.folder.write(
      "between.json", #"{"ranks": 2, "hosts": 2, "rows": [\#(rows.joined(separator: ", "))]}"#)
  }

  func object(_ outcome: Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0, "\(outcome)")
    return try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any],
      "\(outcome)")
  }

  @Test func measurementsBecomePredictionsAndAPicture() throws {
    let stepCommand = [
      nndist, "bench", "step", "--data", jobs.data, "--samples", "10", "--samples", "50",
    ]
    let measured = try run(stepCommand + ["--json"])
    let step = try object(measured)
    let gradients = try #require(step["gradients"] as? [[String: Any]])
    // fashion-mnist: 784-512-512-10; the first layer's weight comes last.
    #expect(
      gradients.map { $0["bytes"] as? Int }
        == [784 * 512 * 4, 512 * 4, 512 * 512 * 4, 512 * 4, 512 * 10 * 4, 10 * 4])
    let ready = gradients.compactMap { $0["ready"] as? Double }
    #expect(ready.first == 1 && ready == ready.sorted(by: >) && ready.last! > 0, "\(ready)")
    let rows = try #require(step["rows"] as? [[String: Any]])
    #expect(rows.map { $0["samples"] as? Int } == [10, 50])
    let table = try run(stepCommand)
    #expect(table.status == 0 && table.stdout.contains("ready after %"), "\(table)")

    let inside = try mpirun(ranks: 2, [nndist, "bench", "reduce", "--up-to", "4096", "--json"])
    #expect(try object(inside)["hosts"] as? Int == 1)
    let command = [
      nndist, "bench", "model", "--between", writeBetween(),
      "--step", jobs.folder.write("step.json", measured.stdout), "--batch", "64",
    ]
    let alone = try object(run(command + ["--json", "--measured-milliseconds", "5"]))
    #expect(alone["ranks_per_host"] as? Int == 1)
    let fit = try #require(alone["fit"] as? [String: Double])
    #expect(abs(try #require(fit["latency_microseconds"]) - 25) < 1e-6, "\(fit)")
    #expect((alone["check"] as? [String: Double])?["measured_milliseconds"] == 5)
    let predictions = try #require(alone["rows"] as? [[String: Any]])
    #expect(predictions.count == 36 && predictions[0]["ranks"] as? Int == 2)
    #expect(predictions[0]["hosts"] as? Int == 2)

    let both = command + ["--inside", jobs.folder.write("inside.json", inside.stdout)]
    let lines = try run(both).stdout.split(separator: "\n")
    #expect(lines.last?.split(separator: " ").prefix(2) == ["4096", "2048"], "\(lines)")
  }

  private static let step = """
    {"name": "it's", "host": "here", "gradients": [{"name": "w", "bytes": 4096, "ready": 1}],
     "rows": [{"samples": 8, "forward_microseconds": 10, "backward_microseconds": 20,
               "optimizer_microseconds": 5}]}
    """

  @Test(.enabled(if: hasGnuplot, "needs gnuplot"))
  func efficienciesAreDrawn() throws {
    let command = [
      nndist, "bench", "model", "--between", writeBetween(), "--step",
      jobs.folder.write("step.json", BenchModelTests.step),
    ]
    for (name, head) in [("plot.svg", "<?xml"), ("it's.png", "\u{fffd}PNG")] {
      let path = jobs.path(name)
      let outcome = try run(command + ["--plot", path])
      #expect(outcome.status == 0, "\(outcome)")
      #expect(String(decoding: contents(path), as: UTF8.self).hasPrefix(head))
    }
    let outcome = try run(command + ["--plot", jobs.path("no/such/folder.svg")])
    expectError(outcome, 74, "gnuplot cannot draw")
  }

  /// A gnuplot of the test's own, which says in which process group it is.
  @Test func gnuplotThatFailsIsQuotedAndSharesCtrlC() throws {
    let between = writeBetween()
    let step = jobs.folder.write("step.json", BenchModelTests.step)
    let command = [
      nndist, "bench", "model", "--between", between, "--step", step, "--plot", jobs.path("x.svg"),
    ]
    let none = try run(command, environment: ["PATH": jobs.folder.path])
    expectError(none, 66, "--plot needs gnuplot, and there is none in PATH | apt-get install")

    let script =
      "#!/bin/sh\nread first\necho \"$first\" in $(cut -d ' ' -f 5 /proc/$$/stat) >&2; exit 1\n"
    chmod(jobs.folder.write("gnuplot", script), 0o700)
    let program = try StartedProgram(
      command, environment: ["PATH": jobs.folder.path + ":/usr/bin:/bin"])
    expectError(
      try program.outcome(), 74,
      "gnuplot cannot draw \(jobs.path("x.svg")): set terminal svg",
      "in \(program.processIdentifier)")
  }

  @Test func mistakesAreOneLine() throws {
    let bad = jobs.folder.write("bad.json", "{\"ranks\": 2,")
    let between = writeBetween()
    func model(_ arguments: String...) throws -> Outcome {
      try run([nndist, "bench", "model", "--between", between] + arguments)
    }
    expectError(try model("--step", bad), 65, bad, "not JSON")
    expectError(try model("--step", jobs.path("none.json")), 66, "none.json")
    expectError(try model(), 64, "--step")
    expectError(try model("--step", bad, "--plot", "x.pdf"), 64, "--plot x.pdf")
    expectError(try model("--step", bad, "--batch", "0"), 64, "--batch")
    expectError(
      try run([nndist, "bench", "step", "--data", jobs.data, "--samples", "204"]), 64,
      "--samples 204: the training split has 203")
  }
}
