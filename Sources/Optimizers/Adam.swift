import CKernels
import Glibc
import System
import Tensors

/// Adam (Kingma and Ba, 2015, algorithm 1), as PyTorch computes it.
///
/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon), with g + weightDecay p for g.
public class Adam: Optimizer {
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  public let weightDecay: Double
  /// Whether the weight decay is applied to the parameters directly and not added to the gradient,
  /// as in AdamW.
  public let isDecayDecoupled: Bool
  public let groups: [ParameterGroup]
  private let mean: Tensor
  private let square: Tensor

  /// - Parameter elementCount: elements of the parameter arena.
  /// - Note: The defaults are the paper's and PyTorch's.
  public convenience init(
    elementCount: Int, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0, groups: [ParameterGroup] = []
  ) {
    self.init(
      elementCount: elementCount, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay, isDecayDecoupled: false, groups: groups)
  }

  fileprivate init(
    elementCount: Int, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double,
    isDecayDecoupled: Bool, groups: [ParameterGroup]
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.isDecayDecoupled = isDecayDecoupled
    self.groups = ParameterGroup.inOrder(groups, elementCount: elementCount)
    mean = Tensor(zeros: [elementCount])
    square = Tensor(zeros: [elementCount])
    state = [("exp_avg", mean), ("exp_avg_sq", square)]
  }

  public var name: String { isDecayDecoupled ? "AdamW" : "Adam" }
  public let state: [(name: String, arena: Tensor)]

  public func update(_ run: ElementRun) {
    let meanCorrection = 1 - pow(beta1, Double(run.step))
    let squareCorrection = 1 - pow(beta2, Double(run.step))
    nd_adam(
      run.parameters, run.state(mean, of: "Adam"), run.state(square, of: "Adam"), run.gradients,
      run.count, Float(1 - beta1), Float(beta2), Float(1 - beta2),
      Float(run.learningRate / meanCorrection), Float(1 / squareCorrection.squareRoot()),
      Float(epsilon), isDecayDecoupled ? 0 : Float(run.weightDecay),
      isDecayDecoupled ? Float(1 - run.learningRate * run.weightDecay) : 1)
  }
}

/// Adam with weight decay that is decoupled from the gradient (Loshchilov and Hutter, 2019,
/// algorithm 2), as PyTorch computes it: first p -= lr weightDecay p, then Adam's step without
/// decay.
public final class AdamW: Adam {
  /// - Parameter elementCount: elements of the parameter arena.
  /// - Note: The defaults are PyTorch's.
  public init(
    elementCount: Int, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0.01, groups: [ParameterGroup] = []
  ) {
    super.init(
      elementCount: elementCount, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay, isDecayDecoupled: true, groups: groups)
  }
}
