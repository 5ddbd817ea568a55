import Optimizers

/// How gradients become new parameters.
public struct OptimizerSpec: Equatable, Sendable {
  let variant: Variant

  /// Such as "adam".
  public var kind: String { variant.kind }
  public var arguments: Arguments { variant.arguments }
  /// The learning rate the schedule starts from.
  public var lr: Double { arguments.number("lr") }

  /// - Parameter elementCount: elements of the parameter arena.
  public func optimizer(elementCount: Int) -> any Optimizer {
    OptimizerKind.all.first { $0.kind.name == kind }!.optimizer(arguments, elementCount)
  }

  static let table = VariantTable(
    "optimizer", "How gradients become new parameters, its arguments under PyTorch's names.",
    tag: "kind", kinds: OptimizerKind.all.map(\.kind),
    first: [.number("lr", .nonNegative, "The learning rate the schedule starts from.")])
}

struct OptimizerKind: Sendable {
  let kind: Kind
  let optimizer: @Sendable (Arguments, _ elementCount: Int) -> any Optimizer

  // The defaults are PyTorch's.
  static let all = [
    OptimizerKind(
      kind: Kind(
        "sgd", "Stochastic gradient descent, with or without momentum.",
        [
          .number("momentum", .nonNegative, 0, "How much of the last step's direction stays."),
          .number("dampening", 0, "How much less the gradient adds to that direction."),
          .flag("nesterov", false, "Whether it looks ahead along that direction."), weightDecay(0),
        ],
        mistake: { arguments in
          let (momentum, dampening) = (
            arguments.number("momentum"), arguments.number("dampening")
          )
          return arguments.flag("nesterov") && !(momentum > 0 && dampening == 0)
            ? ("nesterov", "it needs a momentum above 0 and a dampening of 0") : nil
        })
    ) { arguments, elementCount in
      let momentum = arguments.number("momentum")
      if momentum == 0 { return SGD(weightDecay: arguments.number("weight_decay")) }
      return SGD(
        elementCount: elementCount, momentum: momentum, dampening: arguments.number("dampening"),
        isNesterov: arguments.flag("nesterov"), weightDecay: arguments.number("weight_decay"))
    },
    OptimizerKind(
      kind: Kind("adam", "Adam: each parameter at a rate of its own.", betas + [weightDecay(0)])
    ) { arguments, elementCount in
      let betas = arguments.numbers("betas")
      return Adam(
        elementCount: elementCount, beta1: betas[0], beta2: betas[1],
        epsilon: arguments.number("eps"), weightDecay: arguments.number("weight_decay"))
    },
    OptimizerKind(
      kind: Kind(
        "adamw", "Adam with weight decay apart from the gradient.", betas + [weightDecay(0.01)])
    ) { arguments, elementCount in
      let betas = arguments.numbers("betas")
      return AdamW(
        elementCount: elementCount, beta1: betas[0], beta2: betas[1],
        epsilon: arguments.number("eps"), weightDecay: arguments.number("weight_decay"))
    },
    OptimizerKind(
      kind: Kind(
        "rmsprop", "Gradients divided by a running root of their squares.",
        [
          .number("alpha", .fraction, 0.99, "How much of the running squares stays at a step."),
          .number("eps", .nonNegative, 1e-8, "Added to the root."), weightDecay(0),
          .number("momentum", .nonNegative, 0, "How much of the last step's direction stays."),
          .flag("centered", false, "Whether the squares are about a running mean."),
        ])
    ) { arguments, elementCount in
      RMSprop(
        elementCount: elementCount, alpha: arguments.number("alpha"),
        epsilon: arguments.number("eps"), momentum: arguments.number("momentum"),
        isCentered: arguments.flag("centered"), weightDecay: arguments.number("weight_decay"))
    },
    OptimizerKind(
      kind: Kind(
        "adagrad", "Gradients divided by the root of the sum of their squares.",
        [
          .number("lr_decay", .nonNegative, 0, "lr / (1 + steps lr_decay) is the rate."),
          weightDecay(0),
          .number("initial_accumulator_value", .nonNegative, 0, "What the sums begin with."),
          .number("eps", .nonNegative, 1e-10, "Added to the root."),
        ])
    ) { arguments, elementCount in
      Adagrad(
        elementCount: elementCount, learningRateDecay: arguments.number("lr_decay"),
        epsilon: arguments.number("eps"),
        initialSum: Float(arguments.number("initial_accumulator_value")),
        weightDecay: arguments.number("weight_decay"))
    },
  ]

  private static let betas: [Field] = [
    Field(
      "betas", .list(.number(.fractionBelowOne), count: 2), .list([.number(0.9), .number(0.999)]),
      "How much of the running means of gradients and of their squares stays at a step."),
    .number("eps", .nonNegative, 1e-8, "Added to the root."),
  ]

  private static func weightDecay(_ defaultValue: Double) -> Field {
    .number(
      "weight_decay", .nonNegative, defaultValue, "What is taken off a parameter, in parts of it.")
  }
}
