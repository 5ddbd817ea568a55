import CSystem

/// A barrier of the ranks of one host in shared memory. Each rank counts its arrivals in a word of
/// its own, and waits until the words of all others have reached the same count.
final class WindowBarrier {
  private let words: [UnsafeMutablePointer<UInt64>]
  private let communicator: Communicator
  private var arrivals: UInt64 = 0

  /// - Parameter words: by local rank; zero at first, and used by this barrier only.
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
