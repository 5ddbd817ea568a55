import Layers

/// What training makes smaller.
public struct LossSpec: Equatable, Sendable {
  let variant: Variant

  /// Such as "cross-entropy".
  public var kind: String { variant.kind }
  public var arguments: Arguments { variant.arguments }

  public func loss() -> any Loss { LossKind.of(variant).loss(variant.arguments) }

  /// With its defaults.
  static let crossEntropy = LossSpec(variant: table.defaultVariant("cross-entropy"))

  static let table = VariantTable(
    "loss", "What training makes smaller, its arguments under PyTorch's names.", tag: "kind",
    kinds: LossKind.all.map(\.kind), allowsNameAlone: true)
}

struct LossKind: Sendable {
  /// What it compares a prediction with.
  enum Target: Sendable {
    /// A class, of whose score or logarithm the prediction has one each; or a number for each class.
    case classes
    /// A class and nothing else.
    case classesOnly
    /// A number for each number of the prediction.
    case numbers
  }

  let kind: Kind
  let target: Target
  let loss: @Sendable (Arguments) -> any ReducedLoss

  init(
    _ name: String, _ doc: String, _ target: Target = .numbers, _ fields: [Field] = [],
    reductions: [String] = ["mean", "sum"],
    _ loss: @escaping @Sendable (Arguments) -> any ReducedLoss
  ) {
    kind = Kind(
      name, doc,
      fields + [
        .choice(
          "reduction", reductions, "mean", "How one number is made of all those of a batch.")
      ])
    self.target = target
    self.loss = loss
  }

  static func of(_ loss: Variant) -> LossKind { all.first { $0.kind.name == loss.kind }! }

  static let all = [
    LossKind(
      "cross-entropy", "-log softmax(prediction)[class]: no softmax before it.", .classes,
      [.number("label_smoothing", .fraction, 0, "The part of a target spread over all classes.")]
    ) { CrossEntropyLoss(labelSmoothing: $0.number("label_smoothing"), reduction: reduction($0)) },
    LossKind("nll", "-prediction[class], of log-probabilities.", .classesOnly) {
      NLLLoss(reduction: reduction($0))
    },
    LossKind("mse", "(prediction - target)^2.") { MSELoss(reduction: reduction($0)) },
    LossKind("l1", "|prediction - target|.") { L1Loss(reduction: reduction($0)) },
    LossKind(
      "smooth-l1", "The absolute error, a parabola within beta of 0.", .numbers,
      [.number("beta", .nonNegative, 1, "Where the parabola ends.")]
    ) { SmoothL1Loss(beta: $0.number("beta"), reduction: reduction($0)) },
    LossKind(
      "huber", "Half the squared error within delta of 0, a line beyond.", .numbers,
      [.number("delta", .positive, 1, "Where the line begins.")]
    ) { HuberLoss(delta: $0.number("delta"), reduction: reduction($0)) },
    LossKind("bce", "Cross-entropy of probabilities of one class against another.") {
      BCELoss(reduction: reduction($0))
    },
    LossKind("bce-with-logits", "The same of what a sigmoid would make probabilities.") {
      BCEWithLogitsLoss(reduction: reduction($0))
    },
    LossKind(
      "kl-div", "target (ln target - prediction): the prediction is a logarithm.", .numbers,
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
