/// The sum of all shards' arenas; its layout is that of ShardReplica's arena.
public struct ArenaSum {
  /// The gradients of the global mean loss, [layout.elementCount].
  public let gradients: UnsafePointer<Float>
  private let layout: ArenaLayout

  /// - Parameter start: the result of `TreeReduction.allreduceSum`.
  public init(_ start: UnsafePointer<Float>, layout: ArenaLayout) {
    gradients = start
    self.layout = layout
  }

  public subscript(extra: ShardReplica.Extra) -> Float {
    gradients[layout.elementCount + extra.rawValue]
  }

  /// The sums of the networks' buffers.
  public var buffers: UnsafePointer<Float> {
    gradients + ShardReplica.buffersOffset(layout)
  }
}
