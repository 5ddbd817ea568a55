import Autograd
import Layers
import TensorCore

/// One shard's network: the parameters are views into the rank's one parameter arena, shared by all
/// its shards; the gradients are views into an arena of the shard's own, behind which lie a few
/// floats and the network's buffers, which travel with the reduction.
public final class ShardReplica {
  /// Floats behind the gradients: what all ranks must agree on at a step's end.
  public enum Extra: Int, CaseIterable, Sendable {
    /// The shard's share of the global mean loss.
    case loss
    /// Above 0 where a rank was asked to stop.
    case stop
    /// 1 where the shard had samples.
    case contributors
  }

  public let shard: Int
  public let module: any Module
  /// The gradients in `layout`, then the extras, padded to whole cache lines, then the buffers: float32.
  public let arena: Tensor
  private let layout: ArenaLayout
  private let parameters: [Tensor]
  private let counters: [Tensor]

  /// - Parameters:
  ///   - parameters: the rank's parameter arena, [layout.elementCount] float32, whose values the
  ///     module has from now on.
  ///   - gradients: where the shard's own arena lies, [arenaElementCount] float32 full of zeros;
  ///     nil: in memory of its own.
  public init(
    shard: Int, module: any Module, layout: ArenaLayout, parameters arena: Tensor,
    gradients: Tensor? = nil, buffers: ModuleBuffers
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
    for (entry, parameter) in zip(layout.entries, parameters) {
      let shared = layout.view(entry, in: arena)
      parameter.adopt(
        shared.storage, offset: shared.offset, gradient: layout.view(entry, in: self.arena))
    }
    let own = module.namedBuffers.map(\.tensor)
    counters = own.filter { $0.dtype == .int64 }
    let start = ShardReplica.buffersOffset(layout)
    for (entry, buffer) in zip(buffers.layout.entries, own.filter { $0.dtype == .float32 }) {
      buffer.reseat(on: self.arena.storage, offset: self.arena.offset + start + entry.offset)
    }
    load(buffers)
  }

  public static func arenaElementCount(_ layout: ArenaLayout, _ buffers: ModuleBuffers) -> Int {
    buffersOffset(layout) + buffers.layout.elementCount
  }

  static func buffersOffset(_ layout: ArenaLayout) -> Int {
    layout.elementCount + ArenaLayout.alignment
  }

  /// The arena's part with the buffers.
  public var buffers: UnsafeMutablePointer<Float> {
    arena.pointer(Float.self) + ShardReplica.buffersOffset(layout)
  }

  /// Gives the network's buffers the replicated values.
  public func load(_ replicated: ModuleBuffers) {
    if replicated.isEmpty { return }
    buffers.update(
      from: replicated.values.pointer(Float.self), count: replicated.layout.elementCount)
    for (counter, value) in zip(counters, replicated.counters) { counter.copy(from: value.tensor) }
  }

  public subscript(extra: Extra) -> Float {
    get { arena.pointer(Float.self)[layout.elementCount + extra.rawValue] }
    set { arena.pointer(Float.self)[layout.elementCount + extra.rawValue] = newValue }
  }

  /// Leaves the arena's gradients those of a backward pass through `loss`, and its loss; or, called
  /// for one piece of the shard's samples after the other, what those of all pieces add up to, in
  /// their order.
  /// - Parameters:
  ///   - isFirst: whether what the arena holds is of no account.
  ///   - isLast: whether the arena is complete after it.
  public func differentiate(_ loss: Tensor, isFirst: Bool = true, isLast: Bool = true) {
    if isFirst {
      for parameter in parameters { parameter.zeroGrad() }
      for extra in Extra.allCases { self[extra] = 0 }
      self[.contributors] = 1
    }
    loss.backward()
    self[.loss] += loss.pointer(Float.self).pointee
    guard isLast else { return }
    // A parameter the loss does not depend on gets no gradient, and its memory is stale.
    for (entry, parameter) in zip(layout.entries, parameters) where parameter.grad == nil {
      layout.view(entry, in: arena).fillWithZeros()
    }
  }

  /// What a shard without a sample in the batch adds: nothing.
  public func clear() { arena.fillWithZeros() }
}
