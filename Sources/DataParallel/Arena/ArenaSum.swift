/// What all shards' arenas add up to; its parts lie as in ShardReplica's arena.
package struct ArenaSum {
  /// [layout.elementCount], of the global mean loss.
  package let gradients: UnsafePointer<Float>
  private let layout: ArenaLayout

  /// - Parameter start: as TreeReduction gave it.
  package init(_ start: UnsafePointer<Float>, layout: ArenaLayout) {
    gradients = start
    self.layout = layout
  }

  package subscript(extra: ShardReplica.Extra) -> Float {
    gradients[layout.elementCount + extra.rawValue]
  }

  /// The part with the buffers.
  package var buffers: UnsafePointer<Float> {
    gradients + ShardReplica.buffersOffset(layout)
  }
}
