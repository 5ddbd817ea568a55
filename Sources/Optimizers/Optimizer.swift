import CKernels
import TensorCore

/// Turns gradients into new parameters.
///
/// Works on the whole arena in one fused loop. Replicated: every rank makes the same step from the
/// same sums, so all keep the same bits.
public protocol Optimizer: AnyObject {
  /// Its name, such as "Adam".
  var name: String { get }

  /// What it remembers between steps: arenas as long as the parameters', by name.
  var state: [(name: String, arena: Tensor)] { get }

  /// One update.
  /// - Parameters:
  ///   - parameters: the parameter arena, float32.
  ///   - gradients: of the global mean loss; as many.
  ///   - step: counted from 1.
  func step(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafePointer<Float>,
    learningRate: Double, step: Int)
}

/// Stochastic gradient descent: p -= lr g.
public final class SGD: Optimizer {
  public init() {}

  public var name: String { "SGD" }
  public var state: [(name: String, arena: Tensor)] { [] }

  public func step(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafePointer<Float>,
    learningRate: Double, step: Int
  ) {
    nd_sgd(parameters.baseAddress, gradients, parameters.count, Float(learningRate))
  }
}
