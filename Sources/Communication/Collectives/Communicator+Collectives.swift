import CMPI
import Foundation
import System

/// Collective calls, which every rank makes in the same order. Each call first checks by `enter`
/// that all ranks make the same call, from the same line and with the same count. If they do not,
/// it throws the same Failure on every rank and moves no data.
extension Communicator {
  /// Returns when every rank has called it. It keeps the core busy while it waits: for ranks that
  /// arrive at about the same time.
  ///
  /// Collective: every rank.
  public func barrier(file: StaticString = #fileID, line: UInt = #line) throws {
    try enter(.barrier, at: file, line: line)
    try check(MPI_Barrier(handle), "MPI_Barrier")
  }

  /// Returns when every rank has called it, and leaves the core free while it waits: for ranks that
  /// may arrive at very different times, as when root evaluates.
  ///
  /// Collective: every rank.
  package func quietBarrier(file: StaticString = #fileID, line: UInt = #line) throws {
    // `enter` already waits for all ranks.
    try enter(.barrier, at: file, line: line)
  }

  /// Copies rank `source`'s `buffer` into every rank's `buffer`. The size is not limited.
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

  /// Returns root's `bytes` on every rank. The `bytes` of other ranks are ignored.
  ///
  /// Collective: every rank.
  package func broadcast(
    _ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line
  ) throws -> [UInt8] {
    try enter(.broadcast, of: .byte, at: file, line: line)
    return try broadcastUnguarded(bytes, from: root)
  }

  /// Returns rank `source`'s `bytes` on every rank. Their number is not limited.
  private func broadcastUnguarded(_ bytes: [UInt8], from source: Int) throws -> [UInt8] {
    var count = Int64(bytes.count)
    try withUnsafeMutableBytes(of: &count) { try broadcastUnguarded($0, from: source) }
    var result = rank == source ? bytes : [UInt8](repeating: 0, count: Int(count))
    try result.withUnsafeMutableBytes { try broadcastUnguarded($0, from: source) }
    return result
  }

  /// Returns the largest of the ranks' values.
  ///
  /// Collective: every rank.
  package func allreduceMax(
    _ value: Int64, file: StaticString = #fileID, line: UInt = #line
  ) throws -> Int64 {
    try enter(.allreduceMax, of: .int64, count: 1, at: file, line: line)
    return try maximumUnguarded(value)
  }

  /// Returns the smallest of the ranks' values.
  ///
  /// Collective: every rank.
  package func allreduceMin(
    _ value: Int64, file: StaticString = #fileID, line: UInt = #line
  ) throws -> Int64 {
    try enter(.allreduceMin, of: .int64, count: 1, at: file, line: line)
    return try minimumUnguarded(value)
  }

  /// Replaces every rank's `buffer` by the sum of all, with MPI_Allreduce. MPI does not guarantee
  /// the order of its additions, so this is for benchmarks and not for training. It is the only
  /// collective without `enter`, so that a benchmark measures MPI's own time.
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

  /// Fills the other ranks' parts of `buffer` with their values.
  ///
  /// Collective: every rank, with the same parts.
  /// - Parameter parts: by rank, the elements that the rank provides; together they are the whole
  ///   `buffer`, whose count fits Int32.
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

  /// Returns the values of all ranks, by rank.
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

  /// Returns the bytes of all ranks, by rank. Their numbers may differ and are not limited: it
  /// makes one broadcast for each rank, because MPI_Allgatherv's displacements must fit 32 bits.
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

  /// Returns root's `value` on every rank. The values of other ranks are ignored.
  ///
  /// Collective: every rank.
  public func broadcast<Value: Codable>(
    _ value: Value, file: StaticString = #fileID, line: UInt = #line
  ) throws -> Value {
    let bytes = isRoot ? Array(try JSONEncoder().encode(value)) : []
    return try JSONDecoder().decode(
      Value.self, from: Data(try broadcast(bytes, file: file, line: line)))
  }

  /// Returns the values of all ranks, by rank.
  ///
  /// Collective: every rank.
  public func allgather<Value: Codable>(
    _ value: Value, file: StaticString = #fileID, line: UInt = #line
  ) throws -> [Value] {
    let bytes = Array(try JSONEncoder().encode(value))
    return try allgather(bytes: bytes, file: file, line: line)
      .map { try JSONDecoder().decode(Value.self, from: Data($0)) }
  }

  /// Combines the ranks' values element by element, in rank order, so that every rank gets the same
  /// bits.
  ///
  /// Collective: every rank, with the same number of values.
  /// - Throws: `Failure(.ranksDisagree)`, the same on every rank, if the numbers of values differ.
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

  /// Combines one value of each rank, in rank order.
  ///
  /// Collective: every rank.
  public func allreduce(
    _ value: Double, _ operation: ReduceOperation = .sum, file: StaticString = #fileID,
    line: UInt = #line
  ) throws -> Double {
    try allreduce([value], operation, file: file, line: line)[0]
  }

  /// Returns the bytes of all ranks, by rank, on root, and nil on other ranks. Their numbers may
  /// differ and are not limited.
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

  /// Splits 0 ..< byteCount into runs whose lengths fit MPI's counts.
  private func chunks(_ byteCount: Int) -> [(start: Int, count: Int32)] {
    let maximum = 1 << 30
    return stride(from: 0, to: byteCount, by: maximum).map {
      ($0, Int32(min(maximum, byteCount - $0)))
    }
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
