import CKernels
import CSystem
import Glibc
import System
import Tensors

extension Communicator {
  /// Checks that all ranks run the same binary: another build may add or save differently, or use a
  /// different layout of shared memory.
  ///
  /// Collective: every rank, before any other collective.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank, naming the builds and their
  ///   ranks.
  package func verifySameBuild() throws {
    let builds = try allgatherSameCount(Communicator.buildID)
    let hosts = try allgatherUnguarded(bytes: Array(hostName.utf8))
      .map { String(decoding: $0, as: UTF8.self) }
    let groups = (0..<worldSize).grouped { builds[$0] }
    if groups.count == 1 { return }
    let sides = groups.map { build, ranks in
      "\(hexadecimal(build)) on \(rankList(ranks, hosts: hosts))"
    }
    throw Failure(
      .ranksDisagree,
      "the ranks run different builds of this program: build id " + sides.joined(separator: ", "),
      remedy: "install the same binary on every host")
  }

  /// The build id that the linker gave this binary, a digest of its contents; a hash of the
  /// contents if there is no build id. 20 bytes.
  static var buildID: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 20)
    if nd_build_id(&bytes, Int32(bytes.count)) > 0 { return bytes }
    var hash: UInt64 = 0
    if let file = fopen("/proc/self/exe", "rb") {
      var block = [UInt8](repeating: 0, count: 1 << 20)
      while true {
        let count = fread(&block, 1, block.count, file)
        if count == 0 { break }
        hash = hash &* 31 &+ nd_hash(block, count)
      }
      fclose(file)
    }
    withUnsafeBytes(of: hash) { bytes.replaceSubrange(0..<8, with: $0) }
    return bytes
  }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef")
  return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}
