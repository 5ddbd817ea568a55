import System
import Tensors

/// A layer that uses random numbers in training, such as dropout.
///
/// The numbers are counted by (seed, step, sample, layer), so they do not depend on shards, ranks or threads:
///
///     final class Noise: RandomLayer {
///       let random = RandomSource()
///       func callAsFunction(_ x: Tensor) -> Tensor {
///         random.isTraining ? x + random.key(rows: x.shape[0]).normals(x.shape) : x
///       }
///     }
public protocol RandomLayer: Module {
  /// Where the layer gets its key; one object for the layer's whole life.
  var random: RandomSource { get }
}

extension RandomLayer {
  public func setMode(isTraining: Bool) { random.isTraining = isTraining }
}

/// The source of a layer's random keys.
///
/// A trainer sets the key before each forward pass. Without a trainer the source counts its own calls as
/// steps and the batch's rows as samples, and `initialize(seed:)` of the network tells its layers apart.
public final class RandomSource {
  public internal(set) var isTraining = true
  /// The layer's full name in its network.
  public internal(set) var layer = ""
  private var seed: UInt64
  private var given: RandomKey?
  private var callCount = 0

  /// - Parameter seed: of a layer that is used without a network's `initialize(seed:)`.
  public init(seed: UInt64 = 0) { self.seed = seed }

  /// The key of the current forward pass; call it once in each.
  /// - Parameter rows: rows of the batch.
  public func key(rows: Int) -> RandomKey {
    callCount += 1
    if var key = given {
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

  func give(_ key: RandomKey, layer name: String) {
    given = key
    layer = name
  }
}

/// The random layers of a network, found once.
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
    for (name, source) in sources { source.give(key, layer: name) }
  }
}

extension Module {
  /// Sets the key of the next forward pass in every random layer below.
  public func setRandomKey(_ key: RandomKey) { RandomLayers(of: self).setKey(key) }
}
