import System

/// What tells one use of a layer's random numbers from every other. With it, the same sample gets the same
/// numbers at the same step, in whatever shard, thread or row it is computed.
public struct RandomKey: Sendable, Equatable {
  public var seed: UInt64
  /// The optimizer's step, from 1.
  public var step: Int
  /// For each row of the batch, the number of its sample in the whole data set.
  public var samples: [Int]
  /// The layer's full name in its network, which tells its layers apart.
  public var layer: String

  public init(seed: UInt64, step: Int, samples: [Int], layer: String = "") {
    self.seed = seed
    self.step = step
    self.samples = samples
    self.layer = layer
  }

  /// The random numbers of one row's sample.
  /// - Parameter purpose: tells several uses in one layer apart.
  public func numbers(row: Int, purpose: String = "random") -> CountedRandom {
    CountedRandom(seed: seed, purpose: purpose + " " + layer, step, samples[row])
  }

  /// Numbers in 0 ..< 1, float32.
  /// - Parameter shape: [N, ...], a row for each sample.
  public func uniforms(_ shape: Shape, purpose: String = "random") -> Tensor {
    filled(shape, purpose) { random, width in (0..<width).map { random.uniform($0) } }
  }

  /// Standard normal numbers, float32.
  /// - Parameter shape: [N, ...], a row for each sample.
  public func normals(_ shape: Shape, purpose: String = "random") -> Tensor {
    filled(shape, purpose) { random, width in random.standardNormals(width).map { Float($0) } }
  }

  private func filled(
    _ shape: Shape, _ purpose: String, _ row: (CountedRandom, _ width: Int) -> [Float]
  ) -> Tensor {
    require(
      shape.count > 0 && shape[0] == samples.count,
      "random numbers of shape \(shape) for \(samples.count) samples; the first axis is the samples'"
    )
    let width = shape.dropFirst().reduce(1, *)
    let values = samples.indices.flatMap { row(numbers(row: $0, purpose: purpose), width) }
    return Tensor(values, shape: shape)
  }
}
