import CKernels
import System
import Tensors

/// RMSprop (Hinton, lecture 6e; centred: Graves, 2013), as PyTorch computes it.
///
/// g += weightDecay p;  v = alpha v + (1 - alpha) g^2;  s = g / (sqrt(v) + epsilon);
/// p -= lr s, or with momentum m = momentum m + s;  p -= lr m.
/// Centred: c = alpha c + (1 - alpha) g, and v - c^2 replaces v under the root.
public final class RMSprop: Optimizer {
  public let alpha: Double
  public let epsilon: Double
  public let momentum: Double
  public let weightDecay: Double
  public let groups: [ParameterGroup]
  private let square: Tensor
  private let velocity: Tensor?
  private let mean: Tensor?

  /// - Parameter elementCount: elements of the parameter arena.
  /// - Note: The defaults are PyTorch's.
  public init(
    elementCount: Int, alpha: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0,
    isCentered: Bool = false, weightDecay: Double = 0, groups: [ParameterGroup] = []
  ) {
    self.alpha = alpha
    self.epsilon = epsilon
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.groups = ParameterGroup.inOrder(groups, elementCount: elementCount)
    square = Tensor(zeros: [elementCount])
    velocity = momentum > 0 ? Tensor(zeros: [elementCount]) : nil
    mean = isCentered ? Tensor(zeros: [elementCount]) : nil
  }

  public var name: String { "RMSprop" }
  public var state: [(name: String, arena: Tensor)] {
    [("square_avg", square)] + (velocity.map { [("momentum_buffer", $0)] } ?? [])
      + (mean.map { [("grad_avg", $0)] } ?? [])
  }

  public func update(_ run: ElementRun) {
    nd_rmsprop(
      run.parameters, run.state(square, of: "RMSprop"),
      velocity.map { run.state($0, of: "RMSprop") }, mean.map { run.state($0, of: "RMSprop") },
      run.gradients, run.count, Float(run.learningRate), Float(alpha), Float(1 - alpha),
      Float(epsilon), Float(momentum), Float(run.weightDecay))
  }
}
