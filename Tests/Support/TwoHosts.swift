import Foundation

private let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("launch/two-hosts").path

/// Whether launch/two-hosts can make network namespaces here: as root, with ip and tc.
public let canPlayTwoHosts: Bool = {
  // Anything but its own word that they cannot be had is a test's to find out.
  (try? run([script, "--", "true"]))?.status != 69
}()

/// Runs `arguments` on two hosts: network namespaces of this machine, with a link of 1 Gbit/s.
/// - Parameter ranks: on each host, such as "2", or on both, such as "3+1".
/// - Returns: the outcome, and the bytes that each host has sent.
public func twoHosts(
  ranks: String, _ arguments: [String], deadlineSeconds: Int = hangSeconds
) throws -> (outcome: Outcome, sentBytes: [Int]) {
  let outcome = try besideFewJobs {
    try run([script, "-n", ranks, "--bytes", "--"] + arguments, deadlineSeconds: deadlineSeconds)
  }
  let sent = outcome.stderr.split(separator: "\n").filter { $0.hasSuffix(" bytes") }
    .compactMap { $0.split(separator: " ").dropLast().last.flatMap { Int($0) } }
  return (outcome, sent)
}

/// Starts `arguments` on two hosts, a rank on each.
public func startTwoHosts(_ arguments: [String]) throws -> StartedProgram {
  try StartedProgram([script, "--"] + arguments)
}
