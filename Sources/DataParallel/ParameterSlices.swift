import Communication
import TensorCore

/// Which parameters this rank updates: all of them, or, where the optimizer is sharded (ZeRO-1:
/// Rajbhandari et al. 2020, section 5.1), a slice, of which it alone holds the optimizer's state.
///
/// The same bits either way: an optimizer works on each element by itself.
public final class ParameterSlices {
  /// Elements of the parameter arena; whole cache lines from its beginning.
  public let own: Range<Int>
  public let isSharded: Bool
  private let slices: [Range<Int>]
  private let parameters: Tensor
  private let communicator: Communicator
  /// Where the ranks of one host put what they updated; nil on several hosts.
  private let window: SharedWindow?

  /// Collective: every rank.
  /// - Parameter parameters: the rank's own copy of all, float32.
  public init(_ parameters: Tensor, isSharded: Bool, communicator: Communicator) throws {
    self.parameters = parameters
    self.communicator = communicator
    self.isSharded = isSharded && communicator.worldSize > 1
    let count = parameters.elementCount
    slices = ArenaSections.slices(
      of: 0..<count, count: self.isSharded ? communicator.worldSize : 1)
    own = slices[self.isSharded ? communicator.rank : 0]
    let byteCount = own.count * MemoryLayout<Float>.stride
    if self.isSharded, communicator.localSize == communicator.worldSize,
      try SharedWindow.fits(byteCount, communicator)
    {
      window = try SharedWindow(byteCount: byteCount, communicator: communicator)
    } else {
      window = nil
    }
  }

  /// Gives every rank what each updated. Between two calls all ranks must have met, as they do in the
  /// sum of gradients.
  ///
  /// Collective: every rank.
  public func exchange() throws {
    guard isSharded else { return }
    let start = parameters.pointer(Float.self)
    guard let window else {
      try communicator.allgather(
        UnsafeMutableBufferPointer(start: start, count: parameters.elementCount), parts: slices)
      return
    }
    func part(_ rank: Int) -> UnsafeMutablePointer<Float> {
      window.parts[rank].baseAddress!.assumingMemoryBound(to: Float.self)
    }
    part(communicator.rank).update(from: start + own.lowerBound, count: own.count)
    try communicator.enter(
      .allgather, of: .float32, count: parameters.elementCount, at: "updated parameters")
    if !communicator.meetsOnBoard { try window.barrier() }
    for (rank, slice) in slices.enumerated() where rank != communicator.rank {
      (start + slice.lowerBound).update(from: part(rank), count: slice.count)
    }
  }

  /// A whole arena of the optimizer's state on root, for a checkpoint; nil elsewhere.
  ///
  /// Collective: every rank.
  /// - Parameter state: this rank's, [own.count] float32.
  public func gathered(_ state: Tensor) throws -> Tensor? {
    guard isSharded else { return communicator.isRoot ? state : nil }
    let bytes = UnsafeRawBufferPointer(
      start: state.rawPointer, count: own.count * MemoryLayout<Float>.stride)
    guard let parts = try communicator.gather(bytes: Array(bytes)) else { return nil }
    let whole = Tensor(zeros: [parameters.elementCount])
    for (slice, part) in zip(slices, parts) {
      part.withUnsafeBytes { part in
        guard let from = part.baseAddress else { return }
        (whole.pointer(Float.self) + slice.lowerBound).update(
          from: from.assumingMemoryBound(to: Float.self), count: slice.count)
      }
    }
    return whole
  }

  /// Fills every rank's part of an arena of the optimizer's state with root's.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - whole: on root all of it, [parameters.elementCount] float32.
  ///   - state: this rank's part, [own.count].
  public func scatter(_ whole: Tensor?, into state: Tensor) throws {
    let whole = whole ?? Tensor(zeros: [parameters.elementCount])
    try communicator.broadcast(
      UnsafeMutableRawBufferPointer(
        start: whole.rawPointer, count: whole.elementCount * MemoryLayout<Float>.stride),
      from: communicator.root)
    state.pointer(Float.self).update(
      from: whole.pointer(Float.self) + own.lowerBound, count: own.count)
  }
}
