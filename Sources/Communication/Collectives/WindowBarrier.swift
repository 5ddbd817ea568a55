import CSystem

/// A barrier of the ranks of one host by sequence numbers in shared memory: each rank counts its
/// arrivals in a word of its own, and waits until all the others' words have come as far.
final class WindowBarrier {
  private let words: [UnsafeMutablePointer<UInt64>]
  private let communicator: Communicator
  private var arrivals: UInt64 = 0

  /// - Parameter words: by local rank; zero, and nobody else's.
  init(words: [UnsafeMutablePointer<UInt64>], communicator: Communicator) {
    self.words = words
    self.communicator = communicator
  }

  func wait() throws {
    arrivals += 1
    nd_store_release(words[communicator.localRank], arrivals)
    for word in words { try communicator.wait(for: word, toReach: arrivals) }
  }
}
