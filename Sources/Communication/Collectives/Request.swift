import CMPI
import System

/// A message under way. MPI reads or writes its buffer until it is done.
///
/// It owns no memory, but keeps the buffer's owner alive. Dropping it unfinished traps.
package final class Request {
  /// Which way it goes.
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

  /// Returns when the message is through and its buffer is the caller's again. Called once.
  /// - Throws: MPIError; Failure when less arrived than the buffer holds.
  package func wait() throws {
    finished = true
    var status = MPI_Status()
    try check(MPI_Wait(&handle, &status), "MPI_Wait")
    try verify(status)
  }

  /// Whether the message is through and its buffer the caller's again, as far as `progress` has seen.
  package var isDone: Bool { finished }

  /// Looks once how far all of `requests` are, which are not done.
  /// - Throws: as `wait`.
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

  /// Gives the message up without waiting, after another call failed. What becomes of the buffer is
  /// undefined, so the process must come to its end.
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
  /// Starts sending `buffer`, which must stay as it is until the request is waited for.
  /// - Parameters:
  ///   - tag: what the receiver asks for, at most 32767; messages of one tag arrive in the order they
  ///     were sent.
  ///   - owner: what owns the buffer, kept alive by the request; nil where the caller sees to that.
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

  /// Starts receiving as many bytes as `buffer` holds, which must be left alone until the request
  /// is waited for. Parameters and precondition as for `send`.
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

  /// Lets MPI go on with all of `requests`, none of which is done, and notes which are then.
  /// - Throws: as `Request.wait`.
  package func progress(_ requests: [Request]) throws {
    if !requests.isEmpty { try Request.progress(requests) }
  }

  /// Waits for each of `requests`; when one fails, the rest are abandoned.
  package func waitAll(_ requests: [Request]) throws {
    do {
      for request in requests { try request.wait() }
    } catch {
      for request in requests { request.abandon() }
      throw error
    }
  }
}
