import CMPI
import TensorCore

/// A message under way. MPI reads or writes its buffer until `wait()` has returned.
///
/// It owns no memory, but keeps the buffer's owner alive. Dropping it unfinished traps.
public final class Request {
  /// Which way the floats go.
  enum Direction: String {
    case send = "send to"
    case receive = "receive from"
  }

  private let direction: Direction
  private let count: Int
  private let peer: Int
  private let tag: Int
  private let owner: AnyObject?
  private var handle: MPI_Request?
  private var finished = false

  init(
    _ direction: Direction, count: Int, peer: Int, tag: Int, owner: AnyObject?, handle: MPI_Request?
  ) {
    self.direction = direction
    self.count = count
    self.peer = peer
    self.tag = tag
    self.owner = owner
    self.handle = handle
  }

  /// Returns when the message is through and its buffer is the caller's again. Called once.
  /// - Throws: MPIError; Failure when fewer floats arrived than the buffer holds.
  public func wait() throws {
    finished = true
    var status = MPI_Status()
    try check(MPI_Wait(&handle, &status), "MPI_Wait")
    guard direction == .receive else { return }
    var arrived: Int32 = 0
    try check(MPI_Get_count(&status, cmpi_float(), &arrived), "MPI_Get_count")
    guard arrived == count else {
      throw Failure(
        .trainingFailed, "\(self): only \(arrived) arrived",
        remedy: "start every rank with the same recipe and the same binary")
    }
  }

  /// Gives the message up without waiting, after another call failed. What becomes of the buffer is
  /// undefined, so the process must come to its end.
  public func abandon() {
    finished = true
  }

  deinit {
    if !finished { fatalError("a request was dropped unfinished: \(self)") }
  }
}

extension Request: CustomStringConvertible {
  public var description: String {
    "\(direction.rawValue) rank \(peer), \(count) floats, tag \(tag)"
  }
}

extension Communicator {
  /// Starts sending `buffer`, which must stay as it is until the request is waited for.
  /// - Parameters:
  ///   - tag: what the receiver asks for; messages of one tag arrive in the order they were sent.
  ///   - owner: what owns the buffer, kept alive by the request; nil where the caller sees to that.
  /// - Precondition: `buffer.count` fits Int32.
  public func send(
    _ buffer: UnsafeBufferPointer<Float>, to peer: Int, tag: Int, owner: AnyObject? = nil
  ) throws -> Request {
    var handle: MPI_Request? = nil
    try check(
      MPI_Isend(
        buffer.baseAddress, mpiCount(buffer.count, "MPI_Isend"), cmpi_float(), Int32(peer),
        Int32(tag), self.handle, &handle),
      "MPI_Isend")
    return Request(
      .send, count: buffer.count, peer: peer, tag: tag, owner: owner, handle: handle)
  }

  /// Starts receiving as many floats as `buffer` holds, which must be left alone until the request
  /// is waited for. Parameters and precondition as for `send`.
  public func receive(
    into buffer: UnsafeMutableBufferPointer<Float>, from peer: Int, tag: Int,
    owner: AnyObject? = nil
  ) throws -> Request {
    var handle: MPI_Request? = nil
    try check(
      MPI_Irecv(
        buffer.baseAddress, mpiCount(buffer.count, "MPI_Irecv"), cmpi_float(), Int32(peer),
        Int32(tag), self.handle, &handle),
      "MPI_Irecv")
    return Request(
      .receive, count: buffer.count, peer: peer, tag: tag, owner: owner, handle: handle)
  }

  /// Waits for each of `requests`; when one fails, the rest are abandoned.
  public func waitAll(_ requests: [Request]) throws {
    do {
      for request in requests { try request.wait() }
    } catch {
      for request in requests { request.abandon() }
      throw error
    }
  }
}
