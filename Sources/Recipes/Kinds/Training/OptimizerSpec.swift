import Optimizers

/// The optimizer of a recipe, and its arguments.
package struct OptimizerSpec: Equatable, Sendable {
  let variant: Variant

  /// The name of the kind, such as "adam".
  package var kind: String { variant.kind }
  package var arguments: Arguments { variant.arguments }
  /// The learning rate the schedule starts from.
  package var lr: Double { arguments.number("lr") }

  package func factory() -> OptimizerFactory {
    OptimizerKind.all.first { $0.kind.name == kind }!.factory(arguments)
  }

  static let table = VariantTable(
    "optimizer", "How gradients become new parameters, its arguments under PyTorch's names.",
    tag: "kind", kinds: OptimizerKind.all.map(\.kind),
    first: [.number("lr", .nonNegative, "The learning rate the schedule starts from.")])
}

struct OptimizerKind: Sendable {
  let kind: Kind
  let factory: @Sendable (Arguments) -> OptimizerFactory

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
    ) {
      .sgd(
        learningRate: $0.number("lr"), momentum: $0.number("momentum"),
        dampening: $0.number("dampening"), nesterov: $0.flag("nesterov"),
        weightDecay: $0.number("weight_decay"))
    },
    OptimizerKind(
      kind: Kind("adam", "Adam: each parameter at a rate of its own.", betas + [weightDecay(0)])
    ) {
      .adam(
        learningRate: $0.number("lr"), betas: betas($0), epsilon: $0.number("eps"),
        weightDecay: $0.number("weight_decay"))
    },
    OptimizerKind(
      kind: Kind(
        "adamw", "Adam with weight decay apart from the gradient.", betas + [weightDecay(0.01)])
    ) {
      .adamW(
        learningRate: $0.number("lr"), betas: betas($0), epsilon: $0.number("eps"),
        weightDecay: $0.number("weight_decay"))
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
    ) {
      .rmsprop(
        learningRate: $0.number("lr"), alpha: $0.number("alpha"), epsilon: $0.number("eps"),
        momentum: $0.number("momentum"), centered: $0.flag("centered"),
        weightDecay: $0.number("weight_decay"))
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
    ) {
      .adagrad(
        learningRate: $0.number("lr"), learningRateDecay: $0.number("lr_decay"),
        initialSum: Float($0.number("initial_accumulator_value")), epsilon: $0.number("eps"),
        weightDecay: $0.number("weight_decay"))
    },
  ]

  private static let betas: [Field] = [
    Field(
      "betas", .list(.number(.fractionBelowOne), count: 2), .list([.number(0.9), .number(0.999)]),
      "How much of the running means of gradients and of their squares stays at a step."),
    .number("eps", .nonNegative, 1e-8, "Added to the root."),
  ]

  private static func betas(_ arguments: Arguments) -> (Double, Double) {
    let betas = arguments.numbers("betas")
    return (betas[0], betas[1])
  }

  private static func weightDecay(_ defaultValue: Double) -> Field {
    .number(
      "weight_decay", .nonNegative, defaultValue, "What is taken off a parameter, in parts of it.")
  }
}
