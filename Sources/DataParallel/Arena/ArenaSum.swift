/// The sum of all shards' arenas; its layout is that of ShardReplica's arena.
package struct ArenaSum {
  /// The gradients of the global mean loss, [layout.elementCount].
  package let gradients: UnsafePointer<Float>
  private let layout: ArenaLayout

  /// - Parameter start: the result of `TreeReduction.allreduceSum`.
  package init(_ start: UnsafePointer<Float>, layout: ArenaLayout) {
    gradients = start
    self.layout = layout
  }

  package subscript(extra: ShardReplica.Extra) -> Float {
    gradients[layout.elementCount + extra.rawValue]
  }

  /// The sums of the networks' buffers.
  package var buffers: UnsafePointer<Float> {
    gradients + ShardReplica.buffersOffset(layout)
  }
}
