import Autograd
import Layers
import TensorCore

/// One shard's network: the parameters are views into the rank's one parameter arena, shared by all
/// its shards; the gradients are views into an arena of the shard's own, behind which lie a few
/// floats that travel with the reduction.
public final class ShardReplica {
  /// Floats behind the gradients: what all ranks must agree on at a step's end.
  public enum Extra: Int, CaseIterable, Sendable {
    /// The shard's share of the global mean loss.
    case loss
    /// Above 0 where a rank was asked to stop.
    case stop
  }

  public let shard: Int
  public let module: any Module
  /// The gradients in `layout`, then the extras, padded to whole cache lines: float32.
  public let arena: Tensor
  private let layout: ArenaLayout
  private let parameters: [Tensor]

  /// - Parameters:
  ///   - parameters: the rank's parameter arena, [layout.elementCount] float32, whose values the
  ///     module has from now on.
  public init(
    shard: Int, module: any Module, layout: ArenaLayout, parameters arena: Tensor
  ) {
    self.shard = shard
    self.module = module
    self.layout = layout
    self.arena = Tensor(zeros: [ShardReplica.arenaElementCount(layout)])
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
  }

  public static func arenaElementCount(_ layout: ArenaLayout) -> Int {
    layout.elementCount + ArenaLayout.alignment
  }

  public subscript(extra: Extra) -> Float {
    get { arena.pointer(Float.self)[layout.elementCount + extra.rawValue] }
    set { arena.pointer(Float.self)[layout.elementCount + extra.rawValue] = newValue }
  }

  /// Leaves the arena's gradients those of one backward pass through `loss`, and its loss.
  public func differentiate(_ loss: Tensor) {
    for parameter in parameters { parameter.zeroGrad() }
    loss.backward()
    // A parameter the loss does not depend on gets no gradient, and its memory is stale.
    for (entry, parameter) in zip(layout.entries, parameters) where parameter.grad == nil {
      layout.view(entry, in: arena).fillWithZeros()
    }
    for extra in Extra.allCases { self[extra] = 0 }
    self[.loss] = loss.pointer(Float.self).pointee
  }

  /// What a shard without a sample in the batch adds: nothing.
  public func clear() { arena.fillWithZeros() }
}
