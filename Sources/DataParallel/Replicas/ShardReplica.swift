import Autograd
import Layers
import System
import Tensors

/// One shard's network: the parameters are views into the rank's one parameter arena, shared by all
/// its shards; the gradients are views into an arena of the shard's own, behind which lie a few
/// floats and the network's buffers, which travel with the reduction.
package final class ShardReplica {
  /// Floats behind the gradients: what all ranks must agree on at a step's end.
  package enum Extra: Int, CaseIterable, Sendable {
    /// The shard's share of the global mean loss.
    case loss
    /// Above 0 where a rank was asked to stop.
    case stop
    /// 1 where the shard had samples.
    case contributors
    /// Above 0 where root's time is up.
    case timeIsUp
    /// 1 where the shard's loss could not be computed.
    case failures
  }

  package let shard: Int
  package let module: any Module
  /// The gradients in `layout`, then the extras, padded to whole cache lines, then the buffers: float32.
  package let arena: Tensor
  /// Whether the rank was asked to stop, which goes into the next arena.
  package var isAskedToStop = false
  /// Whether the rank finds that there is no time for another step, which goes there too.
  package var timeIsUp = false
  /// Called during a backward pass with the arena's element from which on it will not change any
  /// more; nil where nobody waits for parts of it.
  package var onFinal: ((_ first: Int) -> Void)?
  /// The loss of the last step, not a number included.
  package private(set) var lastLoss: Float = 0
  private let layout: ArenaLayout
  private let parameters: [Tensor]
  private let counters: [Tensor]
  /// Whether a parameter keeps its values, by entry of the layout.
  private let isFrozen: [Bool]

  /// - Parameters:
  ///   - parameters: the rank's parameter arena, [layout.elementCount] float32, whose values the
  ///     module has from now on.
  ///   - gradients: where the shard's own arena lies, [arenaElementCount] float32 full of zeros;
  ///     nil: in memory of its own.
  ///   - isFrozen: whether the parameter of that name keeps its values; those of the module that require
  ///     no gradient do, too.
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
      // Only a leaf can move into an arena.
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
    layout.elementCount + ArenaLayout.alignment
  }

  /// The arena's part with the buffers.
  package var buffers: UnsafeMutablePointer<Float> {
    arena.pointer(Float.self) + ShardReplica.buffersOffset(layout)
  }

  /// The parameters' gradients in the arena, by name.
  package var gradients: [(name: String, tensor: Tensor)] {
    layout.entries.map { ($0.name, layout.view($0, in: arena)) }
  }

  /// Gives the network's buffers the replicated values.
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

  /// Leaves the arena's gradients those of a backward pass through `loss`, and its loss; or, called
  /// for one piece of the shard's samples after the other, what those of all pieces add up to, in
  /// their order.
  /// - Parameters:
  ///   - isFirst: whether what the arena holds is of no account.
  ///   - isLast: whether the arena is complete after it.
  package func differentiate(_ loss: Tensor, isFirst: Bool = true, isLast: Bool = true) {
    if isFirst {
      for parameter in parameters { parameter.zeroGrad() }
      // Before the backward pass: what is final may be summed at once.
      for (entry, isFrozen) in zip(layout.entries, isFrozen) where isFrozen {
        layout.view(entry, in: arena).fillWithZeros()
      }
      lastLoss = 0
    }
    lastLoss += loss.pointer(Float.self).pointee
    // Before the backward pass, as the arena's end goes out first. The buffers are there since the
    // forward pass.
    setExtras(contributors: 1)
    guard isLast else {
      loss.backward()
      return
    }
    loss.backward(progress: onFinal.map(watch))
    // A parameter the loss does not depend on gets no gradient, and its memory is stale.
    for (index, parameter) in parameters.enumerated()
    where parameter.grad == nil && !isFrozen[index] {
      layout.view(layout.entries[index], in: arena).fillWithZeros()
    }
    onFinal?(0)
  }

  /// What a shard without a sample in the batch adds: nothing.
  package func clear() {
    arena.fillWithZeros()
    lastLoss = 0
    setExtras(contributors: 0)
    onFinal?(0)
  }

  /// What a shard adds whose loss could not be computed: nothing but word of it.
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

  /// Follows which gradients are final, from the arena's end on.
  private func watch(_ onFinal: @escaping (Int) -> Void) -> BackwardProgress {
    onFinal(layout.elementCount)
    var isFinal = isFrozen
    // All entries from this one on are final.
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
