import Communication
import System
import Tensors

/// The parameters that this rank updates: all of them, or a slice if the optimizer is sharded
/// (ZeRO-1: Rajbhandari et al. 2020, section 5.1). Only this rank holds the optimizer's state of
/// its slice.
///
/// Both ways give the same bits, because an optimizer updates each element independently.
///
/// If the optimizer is sharded and all ranks are on one host, they have one copy of the parameters
/// in shared memory: there is nothing to exchange or to compare. On several hosts, each rank has
/// its own copy.
package final class ParameterSlices {
  /// The parameter arena: float32, [elementCount], zeros at first.
  package let parameters: Tensor
  /// The elements of the parameter arena that this rank updates; they begin at a whole cache line.
  package let own: Range<Int>
  package let isSharded: Bool
  private let slices: [Range<Int>]
  private let communicator: Communicator
  /// Whether all ranks share the memory of `parameters`.
  package let isShared: Bool

  /// Collective: every rank.
  /// - Parameter elementCount: of the parameter arena.
  package init(elementCount: Int, isSharded: Bool, communicator: Communicator) throws {
    self.communicator = communicator
    self.isSharded = isSharded && communicator.worldSize > 1
    slices = ArenaSections.slices(
      of: 0..<elementCount, count: self.isSharded ? communicator.worldSize : 1)
    own = slices[self.isSharded ? communicator.rank : 0]
    let byteCount = communicator.isRoot ? elementCount * MemoryLayout<Float>.stride : 0
    if self.isSharded, communicator.localSize == communicator.worldSize,
      try SharedWindow.fits(byteCount, communicator)
    {
      let window = try SharedWindow(byteCount: byteCount, communicator: communicator)
      let shape: Shape = [elementCount]
      let storage = Storage(
        base: window.parts[communicator.root].baseAddress!,
        byteCount: elementCount * MemoryLayout<Float>.stride, owner: window)
      parameters = Tensor(
        storage: storage, shape: shape, strides: shape.contiguousStrides, offset: 0,
        dtype: .float32)
      isShared = true
    } else {
      parameters = Tensor(zeros: [elementCount])
      isShared = false
    }
  }

  /// Gives every rank the parameters that each rank updated. Between two calls, all ranks must make
  /// another collective call, such as the sum of gradients.
  ///
  /// Collective: every rank.
  package func exchange() throws {
    guard isSharded else { return }
    guard isShared else {
      let all = UnsafeMutableBufferPointer(
        start: parameters.pointer(Float.self), count: parameters.elementCount)
      try communicator.allgather(all, parts: slices)
      return
    }
    // All ranks must have updated their slices before any rank reads them.
    try communicator.enter(.barrier, at: "updated parameters")
    if !communicator.enterIsBarrier { try communicator.barrier() }
  }

  /// Returns a whole arena of the optimizer's state on root, for a checkpoint, and nil on other
  /// ranks.
  ///
  /// Collective: every rank.
  /// - Parameter state: this rank's slice, [own.count] float32.
  package func gathered(_ state: Tensor) throws -> Tensor? {
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

  /// Copies each rank's slice of root's optimizer state into the rank's arena.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - whole: on root the whole arena, [parameters.elementCount] float32; ignored on other ranks.
  ///   - state: this rank's slice, [own.count], which is written.
  package func scatter(_ whole: Tensor?, into state: Tensor) throws {
    let whole = whole ?? Tensor(zeros: [parameters.elementCount])
    try communicator.broadcast(
      UnsafeMutableRawBufferPointer(
        start: whole.rawPointer, count: whole.elementCount * MemoryLayout<Float>.stride),
      from: communicator.root)
    state.pointer(Float.self).update(
      from: whole.pointer(Float.self) + own.lowerBound, count: own.count)
  }
}
