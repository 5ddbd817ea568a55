import Layers

/// The loss that training minimizes.
package struct LossSpec: Equatable, Sendable {
  let variant: Variant

  /// The name of the kind, such as "cross-entropy".
  package var kind: String { variant.kind }
  package var arguments: Arguments { variant.arguments }

  package func loss() -> any Loss { LossKind.of(variant).loss(variant.arguments) }

  /// Cross-entropy with its default arguments.
  static let crossEntropy = LossSpec(variant: table.defaultVariant("cross-entropy"))

  static let table = VariantTable(
    "loss", "What training makes smaller, its arguments under PyTorch's names.", tag: "kind",
    kinds: LossKind.all.map(\.kind), allowsNameAlone: true)
}

struct LossKind: Sendable {
  let kind: Kind
  let loss: @Sendable (Arguments) -> any Loss

  init(
    _ name: String, _ doc: String, _ fields: [Field] = [],
    reductions: [String] = ["mean", "sum"],
    _ loss: @escaping @Sendable (Arguments) -> any Loss
  ) {
    kind = Kind(
      name, doc,
      fields + [
        .choice(
          "reduction", reductions, "mean", "How one number is made of all those of a batch.")
      ])
    self.loss = loss
  }

  static func of(_ loss: Variant) -> LossKind { all.first { $0.kind.name == loss.kind }! }

  init(kind: Kind, _ loss: @escaping @Sendable (Arguments) -> any Loss) {
    self.kind = kind
    self.loss = loss
  }

  static let all = builtIn + OwnKinds.lossKinds()

  static let builtIn = [
    LossKind(
      "cross-entropy", "-log softmax(prediction)[class]: no softmax before it.",
      [.number("label_smoothing", .fraction, 0, "The part of a target spread over all classes.")]
    ) { CrossEntropyLoss(labelSmoothing: $0.number("label_smoothing"), reduction: reduction($0)) },
    LossKind("nll", "-prediction[class], of log-probabilities.") {
      NLLLoss(reduction: reduction($0))
    },
    LossKind("mse", "(prediction - target)^2.") { MSELoss(reduction: reduction($0)) },
    LossKind("l1", "|prediction - target|.") { L1Loss(reduction: reduction($0)) },
    LossKind(
      "smooth-l1", "The absolute error, a parabola within beta of 0.",
      [.number("beta", .nonNegative, 1, "Where the parabola ends.")]
    ) { SmoothL1Loss(beta: $0.number("beta"), reduction: reduction($0)) },
    LossKind(
      "huber", "Half the squared error within delta of 0, a line beyond.",
      [.number("delta", .positive, 1, "Where the line begins.")]
    ) { HuberLoss(delta: $0.number("delta"), reduction: reduction($0)) },
    LossKind("bce", "Cross-entropy of probabilities of one class against another.") {
      BCELoss(reduction: reduction($0))
    },
    LossKind("bce-with-logits", "The same of what a sigmoid would make probabilities.") {
      BCEWithLogitsLoss(reduction: reduction($0))
    },
    LossKind(
      "kl-div", "target (ln target - prediction): the prediction is a logarithm.",
      [.flag("log_target", false, "Whether the targets are logarithms, too.")],
      reductions: ["mean", "sum", "batchmean"]
    ) {
      KLDivLoss(
        reduction: reduction($0), isMeanOverSamples: $0.text("reduction") == "batchmean",
        isTargetLog: $0.flag("log_target"))
    },
  ]

  private static func reduction(_ arguments: Arguments) -> LossReduction {
    arguments.text("reduction") == "sum" ? .sum : .mean
  }
}
