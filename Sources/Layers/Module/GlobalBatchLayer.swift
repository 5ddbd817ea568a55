import Autograd

/// A layer that computes with sums over the global batch, such as batch norm over all shards.
///
/// In training, each shard's replica of the layer runs on its own thread. All replicas must call
/// `synchronizer.sum(_:)` equally often and with the same numbers of values.
public protocol GlobalBatchLayer: Module {
  /// Whether the layer sums over the shards; false if an option turns it off.
  var seesGlobalBatch: Bool { get }

  /// The maximum number of values in one sum.
  var maximumSumCount: Int { get }

  /// Adds values over the shards in training; nil if this shard's samples are the whole batch.
  var synchronizer: (any BatchSynchronizer)? { get set }
}

extension GlobalBatchLayer {
  public var seesGlobalBatch: Bool { true }
}

extension Module {
  /// The layers that see the global batch, by full name, in `visit`'s order.
  public var globalBatchLayers: [(name: String, layer: any GlobalBatchLayer)] {
    var found: [(name: String, layer: any GlobalBatchLayer)] = []
    forEachModule { name, module in
      if let layer = module as? any GlobalBatchLayer, layer.seesGlobalBatch {
        found.append((name, layer))
      }
    }
    return found
  }
}
