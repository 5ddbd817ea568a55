import CKernels
import CSystem
import Glibc
import System
import Tensors

extension Communicator {
  /// Compares the ranks' binaries: another build may add or save in another way, and lay out shared
  /// memory in another.
  ///
  /// Collective: every rank, first of all.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank, naming the builds and their ranks.
  package func verifySameBuild() throws {
    let builds = try gatherAlike(Communicator.buildID)
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

  /// What the linker called this binary, a digest of its contents; where it gave it no name, a hash
  /// of them. 20 bytes.
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
