import CKernels
import Glibc
import TensorCore

/// Adam (Kingma and Ba, 2015, algorithm 1), as PyTorch computes it.
///
/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).
public final class Adam: Optimizer {
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  private let mean: Tensor
  private let square: Tensor

  /// - Parameter elementCount: elements of the parameter arena.
  /// - The defaults are the paper's, and PyTorch's.
  public init(
    elementCount: Int, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    mean = Tensor(zeros: [elementCount])
    square = Tensor(zeros: [elementCount])
  }

  public var name: String { "Adam" }
  /// Named as in PyTorch's optimizer state.
  public var state: [(name: String, arena: Tensor)] {
    [("exp_avg", mean), ("exp_avg_sq", square)]
  }

  public func step(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafePointer<Float>,
    learningRate: Double, step: Int
  ) {
    require(parameters.count == mean.elementCount, "Adam was made for another arena")
    let meanCorrection = 1 - pow(beta1, Double(step))
    let squareCorrection = 1 - pow(beta2, Double(step))
    nd_adam(
      parameters.baseAddress, mean.pointer(Float.self), square.pointer(Float.self), gradients,
      parameters.count, Float(1 - beta1), Float(beta2), Float(1 - beta2),
      Float(learningRate / meanCorrection), Float(1 / squareCorrection.squareRoot()), Float(epsilon)
    )
  }
}
