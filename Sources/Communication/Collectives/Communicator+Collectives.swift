import CMPI
import Foundation
import System

/// Calls that every rank makes, in the same order. Each compares first, by `enter`, whether all ranks
/// are about to make the same one, from the same line and with the same count; where they are not, it
/// throws the same Failure on every rank, and no data move.
extension Communicator {
  /// Returns when every rank has called it. Waits busily: for ranks known to be close together.
  ///
  /// Collective: every rank.
  public func barrier(file: StaticString = #fileID, line: UInt = #line) throws {
    try enter(.barrier, at: file, line: line)
    try check(MPI_Barrier(handle), "MPI_Barrier")
  }

  /// Returns when every rank has called it, and leaves the core free while it waits: for ranks that
  /// may be far apart, as when root evaluates.
  ///
  /// Collective: every rank.
  package func quietBarrier(file: StaticString = #fileID, line: UInt = #line) throws {
    // To compare what is next is to wait for all.
    try enter(.barrier, at: file, line: line)
  }

  /// Fills every rank's `buffer` with that of rank `source`. Any size.
  ///
  /// Collective: every rank, with the same byte count and source.
  package func broadcast(
    _ buffer: UnsafeMutableRawBufferPointer, from source: Int, file: StaticString = #fileID,
    line: UInt = #line
  ) throws {
    try enter(.broadcast, of: .byte, count: buffer.count, at: file, line: line)
    try broadcastUnguarded(buffer, from: source)
  }

  private func broadcastUnguarded(
    _ buffer: UnsafeMutableRawBufferPointer, from source: Int
  ) throws {
    for (start, count) in chunks(buffer.count) {
      try check(
        MPI_Bcast(buffer.baseAddress! + start, count, cmpi_byte(), Int32(source), handle),
        "MPI_Bcast")
    }
  }

  /// Root's `bytes`, on every rank. Those of other ranks are ignored.
  ///
  /// Collective: every rank.
  package func broadcast(
    _ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line
  ) throws -> [UInt8] {
    try enter(.broadcast, of: .byte, at: file, line: line)
    return try broadcastUnguarded(bytes, from: root)
  }

  /// Rank `source`'s `bytes`, on every rank, whatever their number.
  private func broadcastUnguarded(_ bytes: [UInt8], from source: Int) throws -> [UInt8] {
    var count = Int64(bytes.count)
    try withUnsafeMutableBytes(of: &count) { try broadcastUnguarded($0, from: source) }
    var result = rank == source ? bytes : [UInt8](repeating: 0, count: Int(count))
    try result.withUnsafeMutableBytes { try broadcastUnguarded($0, from: source) }
    return result
  }

  /// The largest of the ranks' values.
  ///
  /// Collective: every rank.
  package func allreduceMax(
    _ value: Int64, file: StaticString = #fileID, line: UInt = #line
  ) throws -> Int64 {
    try enter(.allreduceMax, of: .int64, count: 1, at: file, line: line)
    return try maximumUnguarded(value)
  }

  /// The smallest of the ranks' values.
  ///
  /// Collective: every rank.
  package func allreduceMin(
    _ value: Int64, file: StaticString = #fileID, line: UInt = #line
  ) throws -> Int64 {
    try enter(.allreduceMin, of: .int64, count: 1, at: file, line: line)
    return try minimumUnguarded(value)
  }

  /// Makes every rank's `buffer` the sum of all, by MPI's own algorithm, whose order of additions
  /// is not promised: to be compared with, and not to be trained with. The one collective without
  /// `enter`, as it is MPI's own time that is wanted.
  ///
  /// Collective: every rank, with the same count.
  /// - Precondition: `buffer.count` fits Int32.
  package func allreduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
    try check(
      MPI_Allreduce(
        cmpi_in_place(), buffer.baseAddress, mpiCount(buffer.count, "MPI_Allreduce"), cmpi_float(),
        cmpi_sum(), handle),
      "MPI_Allreduce")
  }

  func maximumUnguarded(_ value: Int64) throws -> Int64 { try allreduce(value, cmpi_max()) }
  func minimumUnguarded(_ value: Int64) throws -> Int64 { try allreduce(value, cmpi_min()) }

  private func allreduce(_ value: Int64, _ operation: MPI_Op) throws -> Int64 {
    var result = value
    try check(
      MPI_Allreduce(cmpi_in_place(), &result, 1, cmpi_int64(), operation, handle), "MPI_Allreduce")
    return result
  }

  /// Fills the parts of `buffer` that other ranks have with theirs.
  ///
  /// Collective: every rank, with the same parts.
  /// - Parameter parts: by rank, the elements it has; they fill `buffer`, whose count fits Int32.
  package func allgather(
    _ buffer: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
    file: StaticString = #fileID, line: UInt = #line
  ) throws {
    try enter(.allgather, of: .float32, count: buffer.count, at: file, line: line)
    let counts = parts.map { mpiCount($0.count, "MPI_Allgatherv") }
    let starts = parts.map { mpiCount($0.lowerBound, "MPI_Allgatherv") }
    try check(
      MPI_Allgatherv(
        cmpi_in_place(), 0, cmpi_float(), buffer.baseAddress, counts, starts, cmpi_float(), handle),
      "MPI_Allgatherv")
  }

  /// The value of every rank, by rank.
  ///
  /// Collective: every rank.
  package func allgather(
    _ value: UInt64, file: StaticString = #fileID, line: UInt = #line
  ) throws -> [UInt64] {
    try enter(.allgather, of: .uint64, count: 1, at: file, line: line)
    return try allgatherUnguarded(value)
  }

  func allgatherUnguarded(_ value: UInt64) throws -> [UInt64] {
    var value = value
    var values = [UInt64](repeating: 0, count: worldSize)
    try check(
      MPI_Allgather(&value, 1, cmpi_uint64(), &values, 1, cmpi_uint64(), handle), "MPI_Allgather")
    return values
  }

  /// The bytes of every rank, by rank. Their numbers may differ, and have no limit: one broadcast
  /// for each rank, as MPI_Allgatherv's displacements must fit 32 bits.
  ///
  /// Collective: every rank.
  package func allgather(
    bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line
  ) throws -> [[UInt8]] {
    try enter(.allgather, of: .byte, at: file, line: line)
    return try allgatherUnguarded(bytes: bytes)
  }

  func allgatherUnguarded(bytes: [UInt8]) throws -> [[UInt8]] {
    try (0..<worldSize).map { try broadcastUnguarded(bytes, from: $0) }
  }

  /// Root's `value`, on every rank. Those of other ranks are ignored.
  ///
  /// Collective: every rank.
  public func broadcast<Value: Codable>(
    _ value: Value, file: StaticString = #fileID, line: UInt = #line
  ) throws -> Value {
    let bytes = isRoot ? Array(try JSONEncoder().encode(value)) : []
    return try JSONDecoder().decode(
      Value.self, from: Data(try broadcast(bytes, file: file, line: line)))
  }

  /// The value of every rank, by rank.
  ///
  /// Collective: every rank.
  public func allgather<Value: Codable>(
    _ value: Value, file: StaticString = #fileID, line: UInt = #line
  ) throws -> [Value] {
    let bytes = Array(try JSONEncoder().encode(value))
    return try allgather(bytes: bytes, file: file, line: line)
      .map { try JSONDecoder().decode(Value.self, from: Data($0)) }
  }

  /// Combines the ranks' values element by element, in rank order, so that every rank gets the same bits.
  ///
  /// Collective: every rank, with the same number of values.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank, where the numbers of values differ.
  public func allreduce(
    _ values: [Double], _ operation: ReduceOperation = .sum, file: StaticString = #fileID,
    line: UInt = #line
  ) throws -> [Double] {
    let words = values.map(\.bitPattern)
    let all = try allgather(bytes: words.withUnsafeBytes { Array($0) }, file: file, line: line)
      .map { bytes in
        bytes.withUnsafeBytes { $0.bindMemory(to: UInt64.self).map(Double.init(bitPattern:)) }
      }
    let groups = all.indices.grouped { all[$0].count }
    guard groups.count == 1 else {
      throw Failure(
        .ranksDisagree,
        "the ranks bring different numbers of values to an allreduce (\(file):\(line)): "
          + groups.map { "\($0.key) on \(rankList($0.ranks))" }.joined(separator: " and "),
        remedy: "call it with as many values on every rank")
    }
    return values.indices.map { index in
      all.dropFirst().reduce(all[0][index]) { operation.combine($0, $1[index]) }
    }
  }

  /// The same for one value.
  ///
  /// Collective: every rank.
  public func allreduce(
    _ value: Double, _ operation: ReduceOperation = .sum, file: StaticString = #fileID,
    line: UInt = #line
  ) throws -> Double {
    try allreduce([value], operation, file: file, line: line)[0]
  }

  /// The bytes of every rank, by rank, at root; nil elsewhere. Their numbers may differ, and have no
  /// limit.
  ///
  /// Collective: every rank.
  package func gather(
    bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line
  ) throws -> [[UInt8]]? {
    try enter(.gather, of: .byte, at: file, line: line)
    let counts = try allgatherUnguarded(UInt64(bytes.count))
    guard isRoot else {
      try bytes.withUnsafeBytes { bytes in
        for (start, count) in chunks(bytes.count) {
          try check(
            MPI_Send(bytes.baseAddress! + start, count, cmpi_byte(), Int32(root), 0, handle),
            "MPI_Send")
        }
      }
      return nil
    }
    return try counts.enumerated().map { source, count in
      if source == rank { return bytes }
      var result = [UInt8](repeating: 0, count: Int(count))
      try result.withUnsafeMutableBytes { result in
        for (start, count) in chunks(result.count) {
          try check(
            MPI_Recv(
              result.baseAddress! + start, count, cmpi_byte(), Int32(source), 0, handle,
              cmpi_status_ignore()),
            "MPI_Recv")
        }
      }
      return result
    }
  }

  /// 0 ..< byteCount in runs whose length fits MPI's counts.
  private func chunks(_ byteCount: Int) -> [(start: Int, count: Int32)] {
    let most = 1 << 30
    return stride(from: 0, to: byteCount, by: most).map { ($0, Int32(min(most, byteCount - $0))) }
  }
}

/// How `allreduce` combines values.
public enum ReduceOperation: Sendable {
  case sum, minimum, maximum

  func combine(_ a: Double, _ b: Double) -> Double {
    switch self {
    case .sum: a + b
    case .minimum: Swift.min(a, b)
    case .maximum: Swift.max(a, b)
    }
  }
}
