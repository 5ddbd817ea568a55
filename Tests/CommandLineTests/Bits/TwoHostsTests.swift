import Foundation
import TestSupport
import Testing

/// Two network namespaces as two hosts (launch/two-hosts): what goes between them are messages, and
/// the bits are those of one rank on one host.
@Suite(.serialized, .waiting, .enabled(if: canPlayTwoHosts, "needs root, ip and tc"))
struct TwoHostsTests {
  let jobs = Jobs()

  @Test(arguments: ["1", "2", "3+1"])
  func twoHostsReachTheBitsOfOneRank(ranks: String) throws {
    try jobs.train("one")
    let (outcome, sentBytes) = try twoHosts(
      ranks: ranks, [nndist] + jobs.arguments("two", ["--threads", "1"]))
    #expect(outcome.status == 0, "\(outcome)")
    let start = try #require(try jobs.metrics("two", "start").first)
    #expect(start["ranks"] as? Int == (ranks == "1" ? 2 : 4))
    #expect(try jobs.bits("two") == jobs.bits("one"))
    #expect(try jobs.steps("two") == jobs.steps("one"))
    // Not by shared memory: a host lacks at least the other's part of half of the elements, and
    // half of the sum, in each of 15 steps.
    let parameters = try #require(start["parameters"] as? Int)
    #expect(sentBytes.count == 2, "\(outcome)")
    for sent in sentBytes { #expect(sent >= 15 * 4 * parameters, "\(outcome)") }
  }

  /// The thread that sums notices it, while the ranks compute.
  @Test(arguments: ["skip:1:3:sum", "count:0:3:sum"])
  func rankOutOfStepIsNamedAcrossHosts(fault: String) throws {
    let faulty = ["env", "NNDIST_FAULT=\(fault)", builtProduct("nndist-faults")]
    let (outcome, _) = try twoHosts(ranks: "1", faulty + jobs.arguments("run"))
    expectError(
      outcome, 70, "the ranks are out of step at collective", "rank 0 (host nndist-",
      "rank 1 (host nndist-", "(gradients, step 3)")
  }

  /// A host names its own ranks; of one that is stopped altogether the other knows no more.
  @Test(arguments: [
    (
      "stop:1:7:forward", "1", "rank 0 (host nndist-",
      "waits in vain for rank 1 on other hosts, at step 7, in sum"
    ),
    ("stop:1:7:forward", "2", "rank 1 (pid ", "is stopped at step 7, in forward"),
    ("spin:1:7:backward", "1", "rank 1 (pid ", "is alive but stuck at step 7, in backward"),
    ("kill:1:7:backward", "2", "rank 1 (pid ", "died at step 7, in backward"),
  ])
  func rankThatDoesNotGoOnIsNamed(fault: String, ranks: String, who: String, what: String) throws {
    let faulty = ["env", "NNDIST_FAULT=\(fault)", builtProduct("nndist-faults")]
    let (outcome, _) = try twoHosts(
      ranks: ranks, faulty + jobs.arguments("run", ["--stall-timeout", "4"]))
    #expect(outcome.status == (fault.hasPrefix("kill") ? 137 : 75), "\(outcome)")
    let errors = outcome.stderr.split(separator: "\n").filter { $0.contains("nndist: error: ") }
    #expect(errors.count == 1, "\(outcome)")
    for part in [who, what] {
      #expect(errors.first?.contains(part) ?? false, "\(part): \(outcome)")
    }
  }

  /// The link, the hosts and all that runs on them are gone in the end, also when the script is told
  /// to stop.
  @Test func nothingIsLeftOfAStoppedRun() throws {
    let program = try startTwoHosts([
      "sh", "-c", "touch $0.$(hostname); exec sleep 600", jobs.path("on"),
    ])
    let hosts = (1...2).map { "nndist-\(program.processIdentifier)-\($0)" }
    let deadline = Date() + 120
    func exist(_ paths: [String]) -> [Bool] { paths.map(FileManager.default.fileExists) }
    while exist(hosts.map { jobs.path("on.\($0)") }) != [true, true], program.isRunning,
      Date() < deadline
    {
      usleep(10_000)
    }
    #expect(exist(hosts.map { jobs.path("on.\($0)") }) == [true, true])
    #expect(exist(hosts.map { "/run/netns/\($0)" }) == [true, true])
    program.send(SIGTERM)
    let outcome = try program.outcome()
    #expect(outcome.status != 0, "\(outcome)")
    #expect(exist(hosts.map { "/run/netns/\($0)" }) == [false, false])
  }
}
