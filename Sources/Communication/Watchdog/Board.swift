import CSystem
import System

/// Shared memory of one host where each of its ranks shows which collective it is in.
///
/// A rank's record, 512 bytes: the number of the collective it entered last; the digests of its
/// headers, one for odd and one for even numbers; from byte 128 on those two headers; in the last 128
/// bytes the rank's signs of life.
///
/// A header is written before its number, and stays until the rank enters the second collective after
/// it. So a reader that finds the same number before and after has read a consistent one; and
/// ranks that meet need no more than that, as none enters the second collective after this one
/// before all have left this one's meeting.
final class Board {
  static let recordByteCount = 512
  private static let headerOffset = 128
  private static let signsOffset = 384

  private let window: SharedWindow
  private let own: Int
  private let records: [UnsafeMutableRawPointer]

  /// - Parameters:
  ///   - window: to which each rank of the host brought `recordByteCount` bytes.
  ///   - own: this rank's place in it.
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

  /// Shows that this rank enters collective `sequence`.
  func show(_ header: CollectiveHeader, _ sequence: UInt64) {
    let place = self.header(own, sequence)
    header.write(to: place)
    digest(own, sequence).pointee = CollectiveHeader.digest(place)
    nd_store_release(words(own), sequence)
  }

  /// Returns when every rank of the host entered collective `sequence`; what each wrote to shared
  /// memory before it is then seen by all.
  /// - Returns: whether all entered it with the header that this rank showed.
  func meet(
    _ sequence: UInt64, _ communicator: Communicator, isBehind: Bool = false
  ) throws -> Bool {
    let mine = digest(own, sequence).pointee
    var areAlike = true
    for rank in records.indices where rank != own {
      try communicator.wait(for: words(rank), toReach: sequence, isBehind: isBehind)
      areAlike = areAlike && digest(rank, sequence).pointee == mine
    }
    return areAlike
  }

  /// All ranks' headers of collective `sequence`, in which they have met.
  func headers(_ sequence: UInt64) -> [CollectiveHeader] {
    records.indices.map { CollectiveHeader(readFrom: header($0, sequence)) }
  }

  /// A rank's signs of life.
  func signs(_ rank: Int) -> UnsafeMutablePointer<UInt64> {
    (records[rank] + Board.signsOffset).assumingMemoryBound(to: UInt64.self)
  }

  /// The collective that a rank entered last, whatever it is doing now; nil before the first, and
  /// where it enters the next at this moment.
  func lastEntered(_ rank: Int) -> (sequence: UInt64, header: CollectiveHeader)? {
    let sequence = nd_load_relaxed(words(rank), 0)
    let header = CollectiveHeader(readFrom: header(rank, sequence))
    return sequence == 0 || nd_load_relaxed(words(rank), 0) != sequence ? nil : (sequence, header)
  }
}
