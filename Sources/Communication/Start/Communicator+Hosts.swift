import CMPI

extension Communicator {
  /// The ranks of each host, in ascending order; hosts in the order of their first ranks. This
  /// rank's index on its host is `localRank`.
  ///
  /// Collective: every rank. The result is the same on all ranks.
  package func hosts() throws -> [[Int]] {
    var first = UInt64(rank)
    try check(MPI_Bcast(&first, 1, cmpi_uint64(), 0, hostHandle), "MPI_Bcast")
    let firsts = try allgather(first)
    return Set(firsts).sorted().map { first in firsts.indices.filter { firsts[$0] == first } }
  }
}
