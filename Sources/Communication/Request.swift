import CMPI
import TensorCore

/// A message under way. MPI reads or writes its buffer until `wait()` has returned, or `test()` true.
///
/// It owns no memory, but keeps the buffer's owner alive. Dropping it unfinished traps.
public final class Request {
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
  public func wait() throws {
    finished = true
    var status = MPI_Status()
    try check(MPI_Wait(&handle, &status), "MPI_Wait")
    try verify(&status)
  }

  /// Whether the message is through and its buffer the caller's again. After true, or an error, not
  /// to be called again.
  /// - Throws: as `wait`.
  public func test() throws -> Bool {
    var status = MPI_Status()
    var done: Int32 = 0
    let code = MPI_Test(&handle, &done, &status)
    finished = done != 0 || code != MPI_SUCCESS
    try check(code, "MPI_Test")
    if done == 0 { return false }
    try verify(&status)
    return true
  }

  private func verify(_ status: inout MPI_Status) throws {
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
  public func abandon() {
    finished = true
  }

  deinit {
    if !finished { fatalError("a request was dropped unfinished: \(self)") }
  }
}

extension Request: CustomStringConvertible {
  public var description: String {
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
  public func send(
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
  public func receive(
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
