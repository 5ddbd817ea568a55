import System
import Tensors

/// A layer that uses random numbers in training, such as dropout.
///
/// The numbers are a function of (seed, step, sample, layer), so they do not depend on shards,
/// ranks or threads:
///
///     final class Noise: RandomLayer {
///       let random = RandomSource()
///       func callAsFunction(_ x: Tensor) -> Tensor {
///         random.isTraining ? x + random.key(rows: x.shape[0]).normals(x.shape) : x
///       }
///     }
public protocol RandomLayer: Module {
  /// The source of the layer's keys. It must be the same object during the layer's whole life.
  var random: RandomSource { get }
}

extension RandomLayer {
  public func setMode(isTraining: Bool) { random.isTraining = isTraining }
}

/// The source of a layer's random keys.
///
/// A trainer sets the key before each forward pass. Without a trainer, the source uses its number
/// of calls as the step and the row numbers of the batch as samples, and the network's
/// `initialize(seed:)` sets the layer's name.
public final class RandomSource {
  public internal(set) var isTraining = true
  /// The layer's full name in its network.
  public internal(set) var layer = ""
  private var seed: UInt64
  private var trainerKey: RandomKey?
  private var callCount = 0

  /// - Parameter seed: used until a network's `initialize(seed:)` sets another.
  public init(seed: UInt64 = 0) { self.seed = seed }

  /// Returns the key of the current forward pass. Call it once in each forward pass.
  /// - Parameter rows: the number of rows in the batch.
  public func key(rows: Int) -> RandomKey {
    callCount += 1
    if var key = trainerKey {
      key.layer = layer
      return key
    }
    return RandomKey(seed: seed, step: callCount, samples: Array(0..<rows), layer: layer)
  }

  func setName(_ name: String, seed: UInt64) {
    layer = name
    self.seed = seed
    callCount = 0
  }

  func setKey(_ key: RandomKey, layer name: String) {
    trainerKey = key
    layer = name
  }
}

/// The random layers of a network. Makes setting the key cheaper, because the network is searched
/// only once.
public struct RandomLayers {
  private let sources: [(name: String, source: RandomSource)]

  public init(of network: any Module) {
    var found: [(name: String, source: RandomSource)] = []
    network.forEachModule { name, module in
      if let layer = module as? any RandomLayer { found.append((name, layer.random)) }
    }
    sources = found
  }

  public var isEmpty: Bool { sources.isEmpty }

  /// Sets the key of the next forward pass in every random layer.
  public func setKey(_ key: RandomKey) {
    for (name, source) in sources { source.setKey(key, layer: name) }
  }
}

extension Module {
  /// Sets the key of the next forward pass in every random layer of this module.
  public func setRandomKey(_ key: RandomKey) { RandomLayers(of: self).setKey(key) }
}
