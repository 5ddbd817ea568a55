import CKernels
import Communication
import System
import Tensors

/// Exchanges one bucket with the other hosts, on the first rank of a host. Call `start` when the
/// host's partials are complete, then `poll` until it returns true: then the sum is complete.
final class WireExchange {
  let bucket: Range<Int>
  private let isRounded: Bool
  private let communicator: Communicator
  private let adder: TreeAdder
  private let rounds: [Round]
  /// The receive buffers.
  private let received: Storage
  private var round = 0
  /// The messages of the current round, except those that `poll` found complete.
  private(set) var requests: [Request] = []
  /// Bytes sent so far.
  private(set) var byteCount = 0

  private struct Message {
    let rank: Int
    let start: UnsafeMutablePointer<Float>
    let count: Int
    /// The elements as bfloat16; nil if float32 is sent.
    let packed: Storage?

    var bytes: UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(
        start: packed?.base ?? UnsafeMutableRawPointer(start),
        count: count * (packed == nil ? MemoryLayout<Float>.size : MemoryLayout<UInt16>.size))
    }
  }

  private struct Add {
    let target: UnsafeMutablePointer<Float>
    let left: UnsafeMutablePointer<Float>
    let right: UnsafeMutablePointer<Float>
    let range: Range<Int>
  }

  private struct Round {
    let sends: [Message]
    let receives: [Message]
    let adds: [Add]
    let tag: Int
  }

  /// - Parameters:
  ///   - number: the bucket's index.
  ///   - ranks: by host, the rank that exchanges messages for it.
  ///   - partial: returns the address of element 0 of a partial, by its first leaf.
  ///   - sum: the address of element 0 of the sum.
  init(
    _ schedule: WireSchedule, number: Int, bucket: Range<Int>, adder: TreeAdder, ranks: [Int],
    communicator: Communicator, partial: (Int) -> UnsafeMutablePointer<Float>,
    sum: UnsafeMutablePointer<Float>
  ) {
    self.bucket = bucket
    self.communicator = communicator
    self.adder = adder
    let isRounded = bucket.upperBound <= adder.roundedCount
    self.isRounded = isRounded
    var starts: [Int] = []
    var end = 0
    for range in schedule.receivedRanges {
      starts.append(end)
      end += CacheLine.roundedUp(floatCount: range.count)
    }
    let received = Storage(byteCount: end * MemoryLayout<Float>.stride)
    self.received = received
    let base = received.base.assumingMemoryBound(to: Float.self)
    /// The address that element 0 of `place` has, or would have.
    func origin(_ place: WireSchedule.Place) -> UnsafeMutablePointer<Float> {
      switch place {
      case .partial(let leaf): partial(leaf)
      case .received(let slot): base + (starts[slot] - schedule.receivedRanges[slot].lowerBound)
      case .sum: sum
      }
    }
    func message(_ message: WireSchedule.Message) -> Message {
      let count = message.range.count
      return Message(
        rank: ranks[message.host], start: origin(message.place) + message.range.lowerBound,
        count: count,
        packed: isRounded ? Storage(byteCount: count * MemoryLayout<UInt16>.stride) : nil)
    }
    rounds = schedule.rounds.enumerated().map { index, round in
      Round(
        sends: round.sends.map(message), receives: round.receives.map(message),
        adds: round.adds.map {
          Add(
            target: origin($0.target), left: origin($0.left), right: origin($0.right),
            range: $0.range)
        }, tag: WireExchange.tag(bucket: number, round: index))
    }
  }

  /// The tag of a message. MPI guarantees tags up to 32767, so buckets whose numbers are equal
  /// modulo 512 share tags. That is safe: their messages are sent one after another between the
  /// same hosts, and MPI keeps the order of messages with the same tag.
  private static func tag(bucket: Int, round: Int) -> Int {
    require(round < 32, "a sum over 2^16 hosts or more")
    return firstTag + bucket % 512 * 32 + round
  }
  private static let firstTag = 1024

  func start() throws {
    round = 0
    try post()
  }

  /// Continues if the current round's messages are complete, without waiting.
  /// - Returns: whether the bucket's sum and all sends are complete.
  func poll() throws -> Bool {
    requests.removeAll { $0.isDone }
    while requests.isEmpty && round < rounds.count {
      finishRound()
      round += 1
      if round < rounds.count { try post() }
    }
    return round == rounds.count
  }

  /// Gives up all pending messages after a failure. The process must end.
  func abandon() {
    for request in requests { request.abandon() }
    requests = []
  }

  private func post() throws {
    let current = rounds[round]
    // Receives first, so that each message finds its buffer when it arrives.
    for message in current.receives {
      requests.append(
        try communicator.receive(into: message.bytes, from: message.rank, tag: current.tag))
    }
    for message in current.sends {
      if let packed = message.packed {
        nd_pack_bf16(
          packed.base.assumingMemoryBound(to: UInt16.self), message.start, message.count)
      }
      requests.append(
        try communicator.send(
          UnsafeRawBufferPointer(message.bytes), to: message.rank, tag: current.tag))
      byteCount += message.bytes.count
    }
  }

  private func finishRound() {
    for message in rounds[round].receives {
      guard let packed = message.packed else { continue }
      nd_unpack_bf16(
        message.start, packed.base.assumingMemoryBound(to: UInt16.self), message.count)
    }
    for add in rounds[round].adds {
      ArenaSections.inBlocks(add.range) { start, count in
        adder.add(
          add.target + start, add.left + start, add.right + start, start: start, count: count)
      }
    }
  }
}
