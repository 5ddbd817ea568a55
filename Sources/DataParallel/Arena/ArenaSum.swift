/// What all shards' arenas add up to; its parts lie as in ShardReplica's arena.
public struct ArenaSum {
  /// [layout.elementCount], of the global mean loss.
  public let gradients: UnsafePointer<Float>
  private let layout: ArenaLayout

  /// - Parameter start: as TreeReduction gave it.
  public init(_ start: UnsafePointer<Float>, layout: ArenaLayout) {
    gradients = start
    self.layout = layout
  }

  public subscript(extra: ShardReplica.Extra) -> Float {
    gradients[layout.elementCount + extra.rawValue]
  }

  /// The part with the buffers.
  public var buffers: UnsafePointer<Float> {
    gradients + ShardReplica.buffersOffset(layout)
  }
}
