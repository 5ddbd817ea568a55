import Autograd
import Layers
import System
import Tensors

/// One shard's network. The parameters are views into the rank's parameter arena, which all its
/// shards share. The gradients are views into the shard's own arena. After the gradients, this
/// arena has a few more floats and the network's buffers, which are summed together with the
/// gradients.
package final class ShardReplica {
  /// The floats after the gradients. Their sums tell all ranks the same at the end of a step.
  package enum Extra: Int, CaseIterable, Sendable {
    /// The shard's share of the global mean loss.
    case loss
    /// Above 0 if a rank was asked to stop.
    case stop
    /// 1 if the shard had samples.
    case contributors
    /// Above 0 if root's time is up.
    case timeIsUp
    /// 1 if the shard's loss could not be computed.
    case failures
  }

  package let shard: Int
  package let module: any Module
  /// The gradients in `layout`, then the extras, padded to whole cache lines, then the buffers:
  /// float32.
  package let arena: Tensor
  /// Whether the rank was asked to stop; written to the arena (`Extra.stop`) in the next step.
  package var isAskedToStop = false
  /// Whether the rank has no time for another step; written to the arena (`Extra.timeIsUp`) in the
  /// next step.
  package var timeIsUp = false
  /// Called during a backward pass with the first element of the arena from which on all elements
  /// are final; nil if no one needs parts of the arena early.
  package var onFinal: ((_ first: Int) -> Void)?
  /// The loss of the last step; it may be NaN.
  package private(set) var lastLoss: Float = 0
  private let layout: ArenaLayout
  private let parameters: [Tensor]
  private let counters: [Tensor]
  /// By entry of the layout: whether the parameter is not trained.
  private let isFrozen: [Bool]

  /// - Parameters:
  ///   - parameters: the rank's parameter arena, [layout.elementCount] float32. The module's
  ///     parameters become views into it and get its values.
  ///   - gradients: the memory of the shard's arena, [arenaElementCount] float32, all zeros; nil:
  ///     allocates it.
  ///   - isFrozen: whether the parameter of that name is not trained. Parameters that require no
  ///     gradient are not trained either.
  package init(
    shard: Int, module: any Module, layout: ArenaLayout, parameters arena: Tensor,
    gradients: Tensor? = nil, buffers: ModuleBuffers, isFrozen: (String) -> Bool = { _ in false }
  ) {
    self.shard = shard
    self.module = module
    self.layout = layout
    let shape: Shape = [ShardReplica.arenaElementCount(layout, buffers)]
    self.arena = gradients ?? Tensor(zeros: shape)
    require(
      self.arena.shape == shape && self.arena.dtype == .float32,
      "shard \(shard) needs an arena of shape \(shape), not \(self.arena.shape)")
    let named = module.namedParameters
    require(
      named.map(\.name) == layout.entries.map(\.name),
      "the module of shard \(shard) has other parameters than the arena's layout")
    self.parameters = named.map(\.tensor)
    self.isFrozen = named.map { isFrozen($0.name) || !$0.tensor.requiresGrad }
    for (index, (entry, parameter)) in zip(layout.entries, parameters).enumerated() {
      let shared = layout.view(entry, in: arena)
      // Only a leaf that requires a gradient can move into an arena.
      parameter.requiresGrad = true
      parameter.adopt(
        shared.storage, offset: shared.offset, gradient: layout.view(entry, in: self.arena))
      if self.isFrozen[index] { parameter.requiresGrad = false }
    }
    let own = module.namedBuffers.map(\.tensor)
    counters = own.filter { $0.dtype == .int64 }
    let start = ShardReplica.buffersOffset(layout)
    for (entry, buffer) in zip(buffers.layout.entries, own.filter { $0.dtype == .float32 }) {
      buffer.reseat(on: self.arena.storage, offset: self.arena.offset + start + entry.offset)
    }
    load(buffers)
  }

  package static func arenaElementCount(_ layout: ArenaLayout, _ buffers: ModuleBuffers) -> Int {
    buffersOffset(layout) + buffers.layout.elementCount
  }

  static func buffersOffset(_ layout: ArenaLayout) -> Int {
    layout.elementCount + CacheLine.floatCount
  }

  /// The part of the arena with the network's buffers.
  package var buffers: UnsafeMutablePointer<Float> {
    arena.pointer(Float.self) + ShardReplica.buffersOffset(layout)
  }

  /// The parameters' gradients in the arena, by name.
  package var gradients: [(name: String, tensor: Tensor)] {
    layout.entries.map { ($0.name, layout.view($0, in: arena)) }
  }

  /// Copies the replicated values into the network's buffers.
  package func load(_ replicated: ModuleBuffers) {
    if replicated.isEmpty { return }
    buffers.update(
      from: replicated.values.pointer(Float.self), count: replicated.layout.elementCount)
    for (counter, value) in zip(counters, replicated.counters) { counter.copy(from: value.tensor) }
  }

  package subscript(extra: Extra) -> Float {
    get { arena.pointer(Float.self)[layout.elementCount + extra.rawValue] }
    set { arena.pointer(Float.self)[layout.elementCount + extra.rawValue] = newValue }
  }

  /// Computes the gradients of `loss` by a backward pass, and writes them and the loss to the
  /// arena. For several pieces of the shard's samples, call it for each piece in order: it adds the
  /// results of all pieces.
  /// - Parameters:
  ///   - isFirst: whether the old contents of the arena are ignored.
  ///   - isLast: whether this is the last piece, after which the arena is complete.
  package func differentiate(_ loss: Tensor, isFirst: Bool = true, isLast: Bool = true) {
    if isFirst {
      for parameter in parameters { parameter.zeroGrad() }
      // Before the backward pass, because final elements may be summed at once.
      for (entry, isFrozen) in zip(layout.entries, isFrozen) where isFrozen {
        layout.view(entry, in: arena).fillWithZeros()
      }
      lastLoss = 0
    }
    lastLoss += loss.pointer(Float.self).pointee
    // Before the backward pass, because the arena's end is sent first. The forward pass has already
    // written the buffers.
    setExtras(contributors: 1)
    guard isLast else {
      loss.backward()
      return
    }
    loss.backward(progress: onFinal.map(watch))
    // A parameter on which the loss does not depend gets no gradient, so its memory has old values.
    for (index, parameter) in parameters.enumerated()
    where parameter.grad == nil && !isFrozen[index] {
      layout.view(layout.entries[index], in: arena).fillWithZeros()
    }
    onFinal?(0)
  }

  /// Fills the arena with zeros, for a shard without a sample in the batch.
  package func clear() {
    arena.fillWithZeros()
    lastLoss = 0
    setExtras(contributors: 0)
    onFinal?(0)
  }

  /// Fills the arena with zeros, except `Extra.failures`, for a shard whose loss could not be
  /// computed.
  package func fail() {
    arena.fillWithZeros()
    lastLoss = 0
    setExtras(contributors: 0)
    self[.failures] = 1
    onFinal?(0)
  }

  private func setExtras(contributors: Float) {
    self[.loss] = lastLoss
    self[.contributors] = contributors
    self[.stop] = isAskedToStop ? 1 : 0
    self[.timeIsUp] = timeIsUp ? 1 : 0
    self[.failures] = 0
  }

  /// Calls `onFinal` as gradients become final, from the arena's end on.
  private func watch(_ onFinal: @escaping (Int) -> Void) -> BackwardProgress {
    onFinal(layout.elementCount)
    var isFinal = isFrozen
    // All entries from index `next` on are final.
    var next = layout.entries.count
    return BackwardProgress { [layout, arena] gradient, first in
      let offset = gradient.offset - arena.offset
      let index = layout.index(ofOffset: offset)
      isFinal[index] = first == 0
      if index < next - 1 { return }
      var lowest = offset + first
      while next > 0, isFinal[next - 1] {
        next -= 1
        lowest = layout.entries[next].offset
      }
      onFinal(lowest)
    }
  }
}
