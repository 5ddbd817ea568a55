import System

/// Creates an optimizer with certain settings for the parameters of any network:
/// `.adam(learningRate: 1e-3)`.
///
/// For a custom optimizer:
/// `OptimizerFactory(learningRate: 0.1) { elementCount, groups in MyOptimizer(...) }`.
public struct OptimizerFactory: Sendable {
  /// The base learning rate of a schedule.
  public var learningRate: Double
  /// Settings for some of the parameters. The first rule that matches a parameter's name applies.
  public var rules: [ParameterRule] = []
  /// The kind and its settings, such as "adam(betas: (0.9, 0.999), ...)": all ranks must have the same.
  public let description: String
  private let make: @Sendable (_ elementCount: Int, _ groups: [ParameterGroup]) -> any Optimizer

  /// - Parameter make: creates the optimizer from the number of elements that it updates, and their
  ///   groups.
  public init(
    learningRate: Double, description: String = "an optimizer of the program",
    make: @escaping @Sendable (_ elementCount: Int, _ groups: [ParameterGroup]) -> any Optimizer
  ) {
    self.learningRate = learningRate
    self.description = description
    self.make = make
  }

  /// Returns a copy with more rules.
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
    let description =
      "sgd(momentum: \(momentum), dampening: \(dampening), "
      + "nesterov: \(nesterov), weightDecay: \(weightDecay))"
    return OptimizerFactory(learningRate: learningRate, description: description) {
      elementCount, groups in
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
    let description =
      "adam(betas: \(betas), epsilon: \(epsilon), "
      + "weightDecay: \(weightDecay))"
    return OptimizerFactory(learningRate: learningRate, description: description) {
      elementCount, groups in
      Adam(
        elementCount: elementCount, beta1: betas.0, beta2: betas.1, epsilon: epsilon,
        weightDecay: weightDecay, groups: groups)
    }
  }

  public static func adamW(
    learningRate: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), epsilon: Double = 1e-8,
    weightDecay: Double = 0.01
  ) -> OptimizerFactory {
    let description =
      "adamW(betas: \(betas), epsilon: \(epsilon), "
      + "weightDecay: \(weightDecay))"
    return OptimizerFactory(learningRate: learningRate, description: description) {
      elementCount, groups in
      AdamW(
        elementCount: elementCount, beta1: betas.0, beta2: betas.1, epsilon: epsilon,
        weightDecay: weightDecay, groups: groups)
    }
  }

  public static func rmsprop(
    learningRate: Double = 1e-2, alpha: Double = 0.99, epsilon: Double = 1e-8,
    momentum: Double = 0, centered: Bool = false, weightDecay: Double = 0
  ) -> OptimizerFactory {
    let description =
      "rmsprop(alpha: \(alpha), epsilon: \(epsilon), momentum: \(momentum), "
      + "centered: \(centered), weightDecay: \(weightDecay))"
    return OptimizerFactory(learningRate: learningRate, description: description) {
      elementCount, groups in
      RMSprop(
        elementCount: elementCount, alpha: alpha, epsilon: epsilon, momentum: momentum,
        isCentered: centered, weightDecay: weightDecay, groups: groups)
    }
  }

  public static func adagrad(
    learningRate: Double = 1e-2, learningRateDecay: Double = 0, initialSum: Float = 0,
    epsilon: Double = 1e-10, weightDecay: Double = 0
  ) -> OptimizerFactory {
    let description =
      "adagrad(learningRateDecay: \(learningRateDecay), initialSum: \(initialSum), "
      + "epsilon: \(epsilon), weightDecay: \(weightDecay))"
    return OptimizerFactory(learningRate: learningRate, description: description) {
      elementCount, groups in
      Adagrad(
        elementCount: elementCount, learningRateDecay: learningRateDecay, epsilon: epsilon,
        initialSum: initialSum, weightDecay: weightDecay, groups: groups)
    }
  }
}

/// Settings for the parameters whose names match a pattern, such as no weight decay for `"*.bias"`.
public struct ParameterRule: Sendable, Equatable {
  /// A full parameter name, in which `*` matches any text.
  public let pattern: String
  /// Multiplies the learning rate of the step.
  public let learningRateScale: Double
  /// nil: the optimizer's weight decay.
  public let weightDecay: Double?
  /// Whether the parameters are not trained: no gradient is computed for them.
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

  /// A rule for parameters that are not trained.
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
