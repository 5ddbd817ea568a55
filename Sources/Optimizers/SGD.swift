import CKernels
import System
import Tensors

/// Stochastic gradient descent, as PyTorch computes it, with momentum (Sutskever et al., 2013) and
/// weight decay.
///
/// g += weightDecay p;  m = momentum m + (1 - dampening) g, and m = g at the first step;
/// p -= lr m, or lr (g + momentum m) with Nesterov's momentum, or lr g without momentum.
public final class SGD: Optimizer {
  public let momentum: Double
  public let dampening: Double
  public let isNesterov: Bool
  public let weightDecay: Double
  public let groups: [ParameterGroup]
  private let velocity: Tensor?

  /// Plain gradient descent without momentum, p -= lr (g + weightDecay p), for an arena of any
  /// size.
  public init(weightDecay: Double = 0, groups: [ParameterGroup] = []) {
    self.weightDecay = weightDecay
    self.groups = ParameterGroup.inOrder(groups, elementCount: nil)
    (momentum, dampening, isNesterov, velocity) = (0, 0, false, nil)
  }

  /// - Parameter elementCount: elements of the parameter arena.
  /// - Precondition: with `isNesterov`, momentum > 0 and dampening = 0.
  public init(
    elementCount: Int, momentum: Double, dampening: Double = 0, isNesterov: Bool = false,
    weightDecay: Double = 0, groups: [ParameterGroup] = []
  ) {
    require(
      !isNesterov || (momentum > 0 && dampening == 0),
      "SGD: Nesterov's momentum needs a momentum above 0 and no dampening, not \(momentum) and "
        + "\(dampening)")
    self.momentum = momentum
    self.dampening = dampening
    self.isNesterov = isNesterov
    self.weightDecay = weightDecay
    self.groups = ParameterGroup.inOrder(groups, elementCount: elementCount)
    velocity = momentum == 0 ? nil : Tensor(zeros: [elementCount])
  }

  public var name: String { "SGD" }
  public var state: [(name: String, arena: Tensor)] {
    velocity.map { [("momentum_buffer", $0)] } ?? []
  }

  public func update(_ run: ElementRun) {
    let (rate, decay) = (Float(run.learningRate), Float(run.weightDecay))
    if let velocity {
      nd_sgd_momentum(
        run.parameters, run.state(velocity, of: "SGD"), run.gradients, run.count, rate,
        Float(momentum), run.step == 1 ? 1 : Float(1 - dampening), isNesterov ? Float(momentum) : 0,
        decay)
    } else if decay == 0 {
      nd_sgd(run.parameters, run.gradients, run.count, rate)
    } else {
      nd_sgd_decay(run.parameters, run.gradients, run.count, rate, decay)
    }
  }
}
