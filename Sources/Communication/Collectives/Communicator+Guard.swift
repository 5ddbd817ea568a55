import CMPI
import System
import Tensors

/// The check that keeps ranks in step: before a collective moves data, the ranks compare which call
/// each of them makes.
extension Communicator {
  /// Returns when every rank has called it for the same collective. The collectives of this class
  /// call it themselves; code that moves data in its own way calls it before.
  ///
  /// If all ranks are on one host, they compare in shared memory, without a message. Then the call
  /// is a barrier (`enterIsBarrier`): everything that a rank wrote to shared memory before it is
  /// visible to all after it. Otherwise it is one MPI_Iallgather of 8 bytes for each rank. Ranks
  /// that wait long leave the core free.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - count: in elements; nil if the counts of the ranks may differ.
  ///   - site: the name of the data, or the source file of the call.
  ///   - runsInBackground: the caller is a background thread of a rank that computes; it sleeps
  ///     between checks from the start.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, naming the call that each of
  ///   them made; MPIError.
  package func enter(
    _ operation: CollectiveOperation, of element: CollectiveElement = .none, count: Int? = nil,
    at site: StaticString, line: UInt = 0, runsInBackground: Bool = false
  ) throws {
    try enter(
      CollectiveHeader(
        operation, element, count: count, step: step, site: .literal(site), line: Int(line)),
      runsInBackground: runsInBackground)
  }

  func enter(_ header: CollectiveHeader, runsInBackground: Bool = false) throws {
    guard !isFinalized else {
      throw Failure(
        .usage, "\(header) was called after Distributed.run had ended the world it belongs to",
        remedy: "use the world only inside the closure that gets it")
    }
    sequence += 1
    if worldSize == 1 { return Progress.note() }
    var header = header
    if let fault = FaultPoint.reach(header.operation.name, rank: rank, step: step) {
      header.change(fault)
    }
    board?.publish(header, sequence)
    if let board, enterIsBarrier {
      if try board.waitForAll(sequence, self, runsInBackground: runsInBackground) {
        return Progress.note()
      }
      throw outOfStep(
        board.headers(sequence), hosts: [String](repeating: hostName, count: worldSize),
        own: header.operation)
    }
    try compareByMessages(header, runsInBackground: runsInBackground)
  }

  /// Whether `enter` is a barrier in shared memory: all ranks are on one host and share a board.
  package var enterIsBarrier: Bool { board != nil && localSize == worldSize }

  private func compareByMessages(_ header: CollectiveHeader, runsInBackground: Bool) throws {
    try withUnsafeTemporaryAllocation(byteCount: CollectiveHeader.byteCount, alignment: 8) { mine in
      header.write(to: mine.baseAddress!)
      let digests = try allgatherYielding(
        CollectiveHeader.digest(mine.baseAddress!), runsInBackground: runsInBackground)
      if digests.allSatisfy({ $0 == digests[0] }) { return Progress.note() }
      let headers = try allgatherSameCount(Array(mine))
      let hosts = try allgatherSameCount(paddedHostName)
      throw outOfStep(
        headers.map { $0.withUnsafeBytes { CollectiveHeader(readFrom: $0.baseAddress!) } },
        hosts: hosts.map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) },
        own: header.operation)
    }
  }

  private var paddedHostName: [UInt8] {
    let name = Array(hostName.utf8.prefix(256))
    return name + [UInt8](repeating: 0, count: 256 - name.count)
  }

  /// What the ranks' different headers come to. Where another rank ends the job by an error, that rank reports
  /// it.
  private func outOfStep(
    _ headers: [CollectiveHeader], hosts: [String], own: CollectiveOperation
  ) -> any Error {
    if own != .failure, headers.contains(where: { $0.operation == .failure }) {
      return PeerFailure()
    }
    let sides = headers.indices.grouped { headers[$0].description }.map { what, ranks in
      "\(rankList(ranks, hosts: hosts)) in \(what)"
    }
    return Failure(
      .trainingFailed,
      "the ranks are out of step at collective \(sequence): " + sides.joined(separator: ", "),
      remedy:
        "no data were moved: call collectives in the same order on every rank; if the program does, "
        + "this is a fault of nndist or of a machine, and --resume goes on")
  }
}

extension CollectiveHeader {
  /// Makes this header differ from those of the other ranks, in tests.
  fileprivate mutating func change(_ fault: FaultPoint.Fault) {
    switch fault {
    case .otherCount: count = (count ?? 0) + 1
    case .otherType: element = element == .int64 ? .uint64 : .int64
    case .otherOperation: operation = operation == .barrier ? .broadcast : .barrier
    case .skip, .error, .damaged: break
    }
  }
}

// MARK: - Collectives without `enter`

extension Communicator {
  /// Returns the values of all ranks, by rank; leaves the core free while it waits.
  func allgatherYielding(_ value: UInt64, runsInBackground: Bool = false) throws -> [UInt64] {
    var values = [UInt64](repeating: 0, count: worldSize)
    try values.withUnsafeMutableBufferPointer { values in
      var value = value
      try withUnsafePointer(to: &value) { value in
        var request: MPI_Request? = nil
        try check(
          MPI_Iallgather(
            value, 1, cmpi_uint64(), values.baseAddress, 1, cmpi_uint64(), handle, &request),
          "MPI_Iallgather")
        try waitYielding(&request, runsInBackground: runsInBackground)
      }
    }
    return values
  }

  /// Returns the bytes of all ranks, by rank. Every rank passes the same number of bytes.
  func allgatherSameCount(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var all = [UInt8](repeating: 0, count: bytes.count * worldSize)
    let count = Int32(bytes.count)
    try check(
      MPI_Allgather(bytes, count, cmpi_byte(), &all, count, cmpi_byte(), handle), "MPI_Allgather")
    return (0..<worldSize).map { Array(all[$0 * bytes.count..<($0 + 1) * bytes.count]) }
  }

  private func waitYielding(_ request: inout MPI_Request?, runsInBackground: Bool) throws {
    try waitLonger(runsInBackground: runsInBackground) {
      var done: Int32 = 0
      try check(MPI_Test(&request, &done, cmpi_status_ignore()), "MPI_Test")
      return done != 0
    }
  }
}
