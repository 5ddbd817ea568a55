import System

/// An optimizer with its settings, before it is made for a network's parameters:
/// `.adam(learningRate: 1e-3)`.
///
/// An optimizer of one's own: `OptimizerFactory(learningRate: 0.1) { elementCount, groups in Mine(...) }`.
public struct OptimizerFactory: Sendable {
  /// The rate that a schedule starts from.
  public var learningRate: Double
  /// Parameters with settings of their own. The first rule that matches a parameter's name applies.
  public var rules: [ParameterRule] = []
  private let make:
    @Sendable (_ elementCount: Int, _ groups: [ParameterGroup]) -> any Optimizer

  /// - Parameter make: from the number of elements that the optimizer updates, and the groups among them.
  public init(
    learningRate: Double,
    make: @escaping @Sendable (_ elementCount: Int, _ groups: [ParameterGroup]) -> any Optimizer
  ) {
    self.learningRate = learningRate
    self.make = make
  }

  /// The same with rules for some parameters.
  public func with(_ rules: ParameterRule...) -> OptimizerFactory {
    var factory = self
    factory.rules += rules
    return factory
  }

  /// - Parameter groups: in the order of the elements, without overlap.
  package func optimizer(elementCount: Int, groups: [ParameterGroup]) -> any Optimizer {
    make(elementCount, groups)
  }
}

extension OptimizerFactory {
  public static func sgd(
    learningRate: Double = 1e-3, momentum: Double = 0, dampening: Double = 0,
    nesterov: Bool = false, weightDecay: Double = 0
  ) -> OptimizerFactory {
    OptimizerFactory(learningRate: learningRate) { elementCount, groups in
      momentum == 0
        ? SGD(weightDecay: weightDecay, groups: groups)
        : SGD(
          elementCount: elementCount, momentum: momentum, dampening: dampening,
          isNesterov: nesterov, weightDecay: weightDecay, groups: groups)
    }
  }

  public static func adam(
    learningRate: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), epsilon: Double = 1e-8,
    weightDecay: Double = 0
  ) -> OptimizerFactory {
    OptimizerFactory(learningRate: learningRate) { elementCount, groups in
      Adam(
        elementCount: elementCount, beta1: betas.0, beta2: betas.1, epsilon: epsilon,
        weightDecay: weightDecay, groups: groups)
    }
  }

  public static func adamW(
    learningRate: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), epsilon: Double = 1e-8,
    weightDecay: Double = 0.01
  ) -> OptimizerFactory {
    OptimizerFactory(learningRate: learningRate) { elementCount, groups in
      AdamW(
        elementCount: elementCount, beta1: betas.0, beta2: betas.1, epsilon: epsilon,
        weightDecay: weightDecay, groups: groups)
    }
  }

  public static func rmsprop(
    learningRate: Double = 1e-2, alpha: Double = 0.99, epsilon: Double = 1e-8,
    momentum: Double = 0, centered: Bool = false, weightDecay: Double = 0
  ) -> OptimizerFactory {
    OptimizerFactory(learningRate: learningRate) { elementCount, groups in
      RMSprop(
        elementCount: elementCount, alpha: alpha, epsilon: epsilon, momentum: momentum,
        isCentered: centered, weightDecay: weightDecay, groups: groups)
    }
  }

  public static func adagrad(
    learningRate: Double = 1e-2, learningRateDecay: Double = 0, initialSum: Float = 0,
    epsilon: Double = 1e-10, weightDecay: Double = 0
  ) -> OptimizerFactory {
    OptimizerFactory(learningRate: learningRate) { elementCount, groups in
      Adagrad(
        elementCount: elementCount, learningRateDecay: learningRateDecay, epsilon: epsilon,
        initialSum: initialSum, weightDecay: weightDecay, groups: groups)
    }
  }
}

/// Settings of the parameters whose names match a pattern, such as `"*.bias"` without weight decay.
public struct ParameterRule: Sendable, Equatable {
  /// A full parameter name, in which `*` stands for any text.
  public let pattern: String
  /// Multiplies the step's learning rate.
  public let learningRateScale: Double
  /// nil: the optimizer's.
  public let weightDecay: Double?
  /// Whether the parameters keep their values: no gradient is computed for them.
  public let isFrozen: Bool

  public init(_ pattern: String, learningRateScale: Double = 1, weightDecay: Double? = nil) {
    self.pattern = pattern
    self.learningRateScale = learningRateScale
    self.weightDecay = weightDecay
    isFrozen = false
  }

  private init(frozen pattern: String) {
    self.pattern = pattern
    (learningRateScale, weightDecay, isFrozen) = (0, 0, true)
  }

  /// Parameters that are not trained.
  public static func frozen(_ pattern: String) -> ParameterRule { ParameterRule(frozen: pattern) }

  /// Whether the pattern matches the whole name.
  public func matches(_ name: String) -> Bool {
    let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
    guard parts.count > 1 else { return name == pattern }
    guard name.hasPrefix(parts[0]) else { return false }
    var rest = name.dropFirst(parts[0].count)
    for part in parts.dropFirst().dropLast() where !part.isEmpty {
      guard let found = rest.firstRange(of: part) else { return false }
      rest = rest[found.upperBound...]
    }
    return rest.hasSuffix(parts[parts.count - 1])
  }
}
