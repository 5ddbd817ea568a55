import DataParallel
import Testing

struct ReplicaCheckTests {
  private func verdict(_ hashes: [UInt64], hosts: [String]? = nil) -> String {
    ReplicaCheck.verdict(hashes, hosts: hosts ?? hashes.map { _ in "a" })
  }

  @Test func theMinorityIsNamedWithItsHost() {
    #expect(verdict([1, 1, 2]) == "on rank 2 (host a) against 2 of 3 ranks")
    #expect(verdict([9, 1, 1, 2, 1]) == "on ranks 0, 3 (host a) against 3 of 5 ranks")
    #expect(
      verdict([9, 1, 1, 2, 1], hosts: ["a", "a", "b", "b", "b"])
        == "on ranks 0, 3 (hosts a, b) against 3 of 5 ranks")
    // No half of all, but more than any other.
    #expect(verdict([1, 2, 3, 3]) == "on ranks 0, 1 (host a) against 2 of 4 ranks")
  }

  @Test func tiesNameBothSides() {
    #expect(
      verdict([1, 2], hosts: ["a", "b"])
        == "between rank 0 (host a) and rank 1 (host b): two cannot vote")
    #expect(
      verdict([1, 1, 2, 2]) == "between ranks 0, 1 (host a) and ranks 2, 3 (host a): no majority")
    #expect(
      verdict([1, 2, 3])
        == "between rank 0 (host a) and rank 1 (host a) and rank 2 (host a): no majority")
  }
}
