import Foundation
import TestSupport
import Testing

/// What the default recipe takes of memory at most: 150 MB on one rank, 80 MB (millions of bytes) on each of
/// four, root with its copy for a checkpoint too (issue 7, point 3). Some 35 MB of it are libraries, all of
/// whose pages that lie in the page cache count.
struct MemoryUseTests {
  /// Peaks of all ranks, in bytes, of an epoch of fashion-mnist with its evaluation and checkpoint.
  private func peaks(ranks: Int) throws -> [Int] {
    let jobs = Jobs()
    // Each rank writes where its number is put.
    let script =
      "NNDIST_PEAK_MEMORY=\(jobs.folder.path)/peak-${OMPI_COMM_WORLD_RANK:-0} exec \"$@\""
    let command =
      ["sh", "-c", script, "sh", faultyNNDist, "fashion-mnist", "--epochs", "1", "--threads", "1"]
      + ["--run", jobs.path("run"), "--quiet"]
    let outcome =
      ranks == 1
      ? try run(command) : try mpirun(ranks: ranks, command)
    try #require(outcome.status == 0, "\(outcome)")
    return try (0..<ranks).map {
      try #require(Int(String(decoding: contents(jobs.path("peak-\($0)")), as: UTF8.self)))
    }
  }

  @Test(
    .enabled(if: fashionMNISTFolder != nil, "needs dataset-fashion-mnist"),
    arguments: [(1, 130), (4, 80)])
  func theDefaultRecipeTakesLittle(ranks: Int, megabytes: Int) throws {
    for (rank, bytes) in try peaks(ranks: ranks).enumerated() {
      #expect(bytes < megabytes * 1_000_000, "rank \(rank) of \(ranks): \(bytes) bytes")
    }
  }
}
