import Communication
import System
import Tensors

/// Which parameters this rank updates: all of them, or, where the optimizer is sharded (ZeRO-1:
/// Rajbhandari et al. 2020, section 5.1), a slice, of which it alone holds the optimizer's state.
///
/// The same bits either way: an optimizer works on each element by itself.
///
/// Sharded, the ranks of a single host have one copy of the parameters, in memory they share: there is
/// nothing to exchange, and nothing to compare either. On several hosts each rank has its own.
package final class ParameterSlices {
  /// All of them: float32, [elementCount], zeros at first.
  package let parameters: Tensor
  /// Elements of the parameter arena; whole cache lines from its beginning.
  package let own: Range<Int>
  package let isSharded: Bool
  private let slices: [Range<Int>]
  private let communicator: Communicator
  /// Whether all ranks have the same memory: what one writes, all have.
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

  /// Gives every rank what each updated. Between two calls all ranks must have met, as they do in the
  /// sum of gradients.
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
    // All have updated theirs before any goes on to read.
    try communicator.enter(.barrier, at: "updated parameters")
    if !communicator.meetsOnBoard { try communicator.barrier() }
  }

  /// A whole arena of the optimizer's state on root, for a checkpoint; nil elsewhere.
  ///
  /// Collective: every rank.
  /// - Parameter state: this rank's, [own.count] float32.
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

  /// Fills every rank's part of an arena of the optimizer's state with root's.
  ///
  /// Collective: every rank.
  /// - Parameters:
  ///   - whole: on root all of it, [parameters.elementCount] float32.
  ///   - state: this rank's part, [own.count].
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
