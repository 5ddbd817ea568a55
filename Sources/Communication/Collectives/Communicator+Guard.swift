import CMPI
import System
import Tensors

/// What keeps ranks in step: before any collective moves data, the ranks compare what each is about
/// to do.
extension Communicator {
  /// Returns when every rank is about to enter the same collective. To be called before the data of
  /// one move, by code that moves them in its own way; the collectives here call it themselves.
  ///
  /// Where all ranks are on one host they meet in shared memory, without a message (`meetsOnBoard`),
  /// and what each wrote to shared memory before is then seen by all. Else it is one MPI_Iallgather
  /// of 8 bytes a rank. Ranks that wait long leave the core free.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - count: in elements; nil where ranks may bring different numbers.
  ///   - site: what is moved, or where the call stands.
  ///   - isBehind: the caller is a thread behind one that computes, and naps from the first look on.
  /// - Throws: `Failure(.trainingFailed)`, the same on every rank, naming what each of them was
  ///   about to do; MPIError.
  package func enter(
    _ operation: CollectiveOperation, of element: CollectiveElement = .none, count: Int? = nil,
    at site: StaticString, line: UInt = 0, isBehind: Bool = false
  ) throws {
    try enter(
      CollectiveHeader(
        operation, element, count: count, step: step, site: .literal(site), line: Int(line)),
      isBehind: isBehind)
  }

  func enter(_ header: CollectiveHeader, isBehind: Bool = false) throws {
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
    board?.show(header, sequence)
    if let board, meetsOnBoard {
      if try board.meet(sequence, self, isBehind: isBehind) { return Progress.note() }
      throw outOfStep(
        board.headers(sequence), hosts: [String](repeating: hostName, count: worldSize))
    }
    try compareByMessages(header, isBehind: isBehind)
  }

  /// Whether `enter` is a barrier of shared memory.
  package var meetsOnBoard: Bool { board != nil && localSize == worldSize }

  private func compareByMessages(_ header: CollectiveHeader, isBehind: Bool) throws {
    try withUnsafeTemporaryAllocation(byteCount: CollectiveHeader.byteCount, alignment: 8) { mine in
      header.write(to: mine.baseAddress!)
      let digests = try gatherQuietly(
        CollectiveHeader.digest(mine.baseAddress!), isBehind: isBehind)
      if digests.allSatisfy({ $0 == digests[0] }) { return Progress.note() }
      let headers = try gatherAlike(Array(mine))
      let hosts = try gatherAlike(paddedHostName)
      throw outOfStep(
        headers.map { $0.withUnsafeBytes { CollectiveHeader(readFrom: $0.baseAddress!) } },
        hosts: hosts.map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
  }

  private var paddedHostName: [UInt8] {
    let name = Array(hostName.utf8.prefix(256))
    return name + [UInt8](repeating: 0, count: 256 - name.count)
  }

  private func outOfStep(_ headers: [CollectiveHeader], hosts: [String]) -> Failure {
    let sides = headers.indices.grouped { headers[$0].description }.map { what, ranks in
      "\(rankList(ranks, hosts: hosts)) in \(what)"
    }
    return Failure(
      .trainingFailed,
      "the ranks are out of step at collective \(sequence): " + sides.joined(separator: ", "),
      remedy: "this is a fault of nndist or of a machine, no data were moved: go on with --resume")
  }
}

extension CollectiveHeader {
  /// Makes it another than the others', as a test wants.
  fileprivate mutating func change(_ fault: FaultPoint.Fault) {
    switch fault {
    case .otherCount: count = (count ?? 0) + 1
    case .otherType: element = element == .int64 ? .uint64 : .int64
    case .otherOperation: operation = operation == .barrier ? .broadcast : .barrier
    case .skip, .error, .damaged: break
    }
  }
}

// MARK: - Collectives that no header stands before

extension Communicator {
  /// The value of every rank, by rank; leaves the core free while it waits.
  func gatherQuietly(_ value: UInt64, isBehind: Bool = false) throws -> [UInt64] {
    var values = [UInt64](repeating: 0, count: worldSize)
    try values.withUnsafeMutableBufferPointer { values in
      var value = value
      try withUnsafePointer(to: &value) { value in
        var request: MPI_Request? = nil
        try check(
          MPI_Iallgather(
            value, 1, cmpi_uint64(), values.baseAddress, 1, cmpi_uint64(), handle, &request),
          "MPI_Iallgather")
        try finishQuietly(&request, isBehind: isBehind)
      }
    }
    return values
  }

  /// The bytes of every rank, by rank; all bring as many.
  func gatherAlike(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var all = [UInt8](repeating: 0, count: bytes.count * worldSize)
    let count = Int32(bytes.count)
    try check(
      MPI_Allgather(bytes, count, cmpi_byte(), &all, count, cmpi_byte(), handle), "MPI_Allgather")
    return (0..<worldSize).map { Array(all[$0 * bytes.count..<($0 + 1) * bytes.count]) }
  }

  private func finishQuietly(_ request: inout MPI_Request?, isBehind: Bool) throws {
    try waitLonger(isBehind: isBehind) {
      var done: Int32 = 0
      try check(MPI_Test(&request, &done, cmpi_status_ignore()), "MPI_Test")
      return done != 0
    }
  }
}
