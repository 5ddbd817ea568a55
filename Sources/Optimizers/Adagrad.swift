import CKernels
import System
import Tensors

/// Adagrad (Duchi, Hazan and Singer, 2011), as PyTorch computes it.
///
/// g += weightDecay p;  s += g^2;  p -= lr / (1 + (t - 1) learningRateDecay) g / (sqrt(s) +
/// epsilon).
public final class Adagrad: Optimizer {
  public let learningRateDecay: Double
  public let epsilon: Double
  public let weightDecay: Double
  public let groups: [ParameterGroup]
  private let sum: Tensor

  /// - Parameters:
  ///   - elementCount: elements of the parameter arena.
  ///   - initialSum: the initial value of the sums of squares.
  /// - Note: The defaults are PyTorch's.
  public init(
    elementCount: Int, learningRateDecay: Double = 0, epsilon: Double = 1e-10,
    initialSum: Float = 0, weightDecay: Double = 0, groups: [ParameterGroup] = []
  ) {
    self.learningRateDecay = learningRateDecay
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.groups = ParameterGroup.inOrder(groups, elementCount: elementCount)
    sum = Tensor([Float](repeating: initialSum, count: elementCount), shape: [elementCount])
  }

  public var name: String { "Adagrad" }
  public var state: [(name: String, arena: Tensor)] { [("sum", sum)] }

  public func update(_ run: ElementRun) {
    let rate = run.learningRate / (1 + Double(run.step - 1) * learningRateDecay)
    nd_adagrad(
      run.parameters, run.state(sum, of: "Adagrad"), run.gradients, run.count, Float(rate),
      Float(epsilon), Float(run.weightDecay))
  }
}
