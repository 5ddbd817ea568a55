import Tensors

/// A network that makes series of symbols by itself, each symbol from those it made before.
public protocol SequenceGenerator: Module {
  /// What the network makes of the sources alone. Records no graph.
  /// - source: [N, T, ...].  Returns N series of symbols.
  func generate(source: Tensor) -> [[Int]]
}
