import CSystem
import System

/// The board: shared memory of one host in which each of its ranks publishes which collective it
/// has entered, and its heartbeat. The other ranks read it to compare collectives and to watch each
/// other.
///
/// Each rank has a record of 512 bytes: the number of the collective it entered last; the digests
/// of its last two headers, one for odd and one for even numbers; from byte 128 on those two
/// headers; in the last 128 bytes the rank's heartbeat.
///
/// A header is written before its number, and stays until the rank enters the second collective
/// after it. So a reader that finds the same number before and after has read a consistent header.
/// Ranks that compare headers in `waitForAll` need no more than that: no rank enters the second
/// collective after this one before all ranks have returned from this one's `waitForAll`.
final class Board {
  static let recordByteCount = 512
  private static let headerOffset = 128
  private static let heartbeatOffset = 384

  private let window: SharedWindow
  private let own: Int
  private let records: [UnsafeMutableRawPointer]

  /// - Parameters:
  ///   - window: each part has `recordByteCount` bytes.
  ///   - own: this rank's index in it.
  init(_ window: SharedWindow, own: Int) {
    self.window = window
    self.own = own
    records = window.parts.map { $0.baseAddress! }
  }

  private func words(_ rank: Int) -> UnsafeMutablePointer<UInt64> {
    records[rank].assumingMemoryBound(to: UInt64.self)
  }

  private func digest(_ rank: Int, _ sequence: UInt64) -> UnsafeMutablePointer<UInt64> {
    words(rank) + 1 + Int(sequence & 1)
  }

  private func header(_ rank: Int, _ sequence: UInt64) -> UnsafeMutableRawPointer {
    records[rank] + Board.headerOffset + Int(sequence & 1) * CollectiveHeader.byteCount
  }

  /// Publishes that this rank enters collective `sequence`.
  func publish(_ header: CollectiveHeader, _ sequence: UInt64) {
    let place = self.header(own, sequence)
    header.write(to: place)
    digest(own, sequence).pointee = CollectiveHeader.digest(place)
    nd_store_release(words(own), sequence)
  }

  /// Returns when every rank of the host has entered collective `sequence`. Everything that a rank
  /// wrote to shared memory before is then visible to all.
  /// - Returns: whether all entered it with the same header as this rank.
  func waitForAll(
    _ sequence: UInt64, _ communicator: Communicator, runsInBackground: Bool = false
  ) throws -> Bool {
    let mine = digest(own, sequence).pointee
    var areEqual = true
    for rank in records.indices where rank != own {
      try communicator.wait(for: words(rank), toReach: sequence, runsInBackground: runsInBackground)
      areEqual = areEqual && digest(rank, sequence).pointee == mine
    }
    return areEqual
  }

  /// All ranks' headers of collective `sequence`, which all have entered.
  func headers(_ sequence: UInt64) -> [CollectiveHeader] {
    records.indices.map { CollectiveHeader(readFrom: header($0, sequence)) }
  }

  /// A rank's heartbeat.
  func heartbeat(_ rank: Int) -> UnsafeMutablePointer<UInt64> {
    (records[rank] + Board.heartbeatOffset).assumingMemoryBound(to: UInt64.self)
  }

  /// The collective that a rank entered last, even if it has left it since; nil before the first,
  /// or if the rank enters the next one at this moment.
  func lastEntered(_ rank: Int) -> (sequence: UInt64, header: CollectiveHeader)? {
    let sequence = nd_load_relaxed(words(rank), 0)
    let header = CollectiveHeader(readFrom: header(rank, sequence))
    return sequence == 0 || nd_load_relaxed(words(rank), 0) != sequence ? nil : (sequence, header)
  }
}
