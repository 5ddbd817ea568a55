import CMPI
import System

/// A pending message. MPI reads or writes its buffer until the message is complete.
///
/// A request owns no memory, but keeps the buffer's owner alive. Releasing it before it is complete
/// traps.
package final class Request {
  /// Whether the message is sent or received.
  enum Direction: String {
    case send = "send to"
    case receive = "receive from"
  }

  private let direction: Direction
  private let byteCount: Int
  private let peer: Int
  private let tag: Int
  private let owner: AnyObject?
  private var handle: MPI_Request?
  private var finished = false

  init(
    _ direction: Direction, byteCount: Int, peer: Int, tag: Int, owner: AnyObject?,
    handle: MPI_Request?
  ) {
    self.direction = direction
    self.byteCount = byteCount
    self.peer = peer
    self.tag = tag
    self.owner = owner
    self.handle = handle
  }

  /// Returns when the message is complete; then the caller may use the buffer again. Call it once.
  /// - Throws: MPIError; Failure if fewer bytes arrived than the buffer holds.
  package func wait() throws {
    finished = true
    var status = MPI_Status()
    try check(MPI_Wait(&handle, &status), "MPI_Wait")
    try verify(status)
  }

  /// Whether the last call of `progress` or `wait` found the message complete; then the caller may
  /// use the buffer again.
  package var isDone: Bool { finished }

  /// Tests all of `requests` once, without waiting, and marks those that are complete.
  /// - Throws: as `wait`.
  /// - Precondition: none is done.
  fileprivate static func progress(_ requests: [Request]) throws {
    var handles = requests.map(\.handle)
    var count: Int32 = 0
    var indices = [Int32](repeating: 0, count: requests.count)
    var statuses = [MPI_Status](repeating: MPI_Status(), count: requests.count)
    try check(
      MPI_Testsome(Int32(requests.count), &handles, &count, &indices, &statuses), "MPI_Testsome")
    for i in 0..<Int(max(count, 0)) {
      let request = requests[Int(indices[i])]
      request.handle = nil
      request.finished = true
      try request.verify(statuses[i])
    }
  }

  private func verify(_ status: MPI_Status) throws {
    var status = status
    guard direction == .receive else { return }
    var arrived: Int32 = 0
    try check(MPI_Get_count(&status, cmpi_byte(), &arrived), "MPI_Get_count")
    guard arrived == byteCount else {
      throw Failure(
        .trainingFailed, "\(self): only \(arrived) arrived",
        remedy: "start every rank with the same recipe and the same binary")
    }
  }

  /// Gives up the message without waiting, after another call failed. The contents of the buffer
  /// are undefined, so the process must end.
  package func abandon() {
    finished = true
  }

  deinit {
    if !finished { fatalError("a request was dropped unfinished: \(self)") }
  }
}

extension Request: CustomStringConvertible {
  package var description: String {
    "\(direction.rawValue) rank \(peer), \(byteCount) bytes, tag \(tag)"
  }
}

extension Communicator {
  /// Starts sending `buffer`, which must not change until the request is done.
  /// - Parameters:
  ///   - tag: matches the receiver's tag, at most 32767; messages of one tag arrive in the order
  ///     they were sent.
  ///   - owner: the buffer's owner, which the request keeps alive; nil if the caller keeps it
  ///     alive.
  /// - Precondition: `buffer.count` fits Int32.
  package func send(
    _ buffer: UnsafeRawBufferPointer, to peer: Int, tag: Int, owner: AnyObject? = nil
  ) throws -> Request {
    var handle: MPI_Request? = nil
    try check(
      MPI_Isend(
        buffer.baseAddress, mpiCount(buffer.count, "MPI_Isend"), cmpi_byte(), Int32(peer),
        Int32(tag), self.handle, &handle),
      "MPI_Isend")
    return Request(
      .send, byteCount: buffer.count, peer: peer, tag: tag, owner: owner, handle: handle)
  }

  /// Starts receiving as many bytes as `buffer` holds. The buffer must not be used until the
  /// request is done. Parameters and precondition as for `send`.
  package func receive(
    into buffer: UnsafeMutableRawBufferPointer, from peer: Int, tag: Int, owner: AnyObject? = nil
  ) throws -> Request {
    var handle: MPI_Request? = nil
    try check(
      MPI_Irecv(
        buffer.baseAddress, mpiCount(buffer.count, "MPI_Irecv"), cmpi_byte(), Int32(peer),
        Int32(tag), self.handle, &handle),
      "MPI_Irecv")
    return Request(
      .receive, byteCount: buffer.count, peer: peer, tag: tag, owner: owner, handle: handle)
  }

  /// Lets MPI continue all of `requests`, and marks those that are complete as done.
  /// - Throws: as `Request.wait`.
  /// - Precondition: none is done.
  package func progress(_ requests: [Request]) throws {
    if !requests.isEmpty { try Request.progress(requests) }
  }

  /// Waits for each of `requests`. If one fails, the rest are abandoned.
  package func waitAll(_ requests: [Request]) throws {
    do {
      for request in requests { try request.wait() }
    } catch {
      for request in requests { request.abandon() }
      throw error
    }
  }
}
