import Datasets
import Foundation

/// The samples of a recipe, and how they are preprocessed.
package struct DataSpec: Equatable, Sendable {
  var variant: Variant

  /// The kind of data set, such as "csv".
  package var dataset: String { variant.kind }
  /// The arguments of this kind, including those that all kinds share.
  package var arguments: Arguments { variant.arguments }

  /// The file or folder of the data; nil if the system's folder is used or the data are generated.
  package var path: String? {
    arguments.has("path") ? arguments.optionalText("path") : nil
  }

  /// Sets all paths to null. Paths may differ between hosts and do not affect the result.
  mutating func forgetPaths() {
    for key in DataSpec.pathKeys where arguments.has(key) { variant.arguments[key] = .null }
  }

  static let pathKeys = ["path", "test_path", "targets_path"]

  /// Makes relative paths absolute, relative to `folder`.
  mutating func completePaths(from folder: String) {
    for key in DataSpec.pathKeys where arguments.has(key) {
      guard let path = arguments.optionalText(key), !path.isEmpty, !path.hasPrefix("/") else {
        continue
      }
      let url = URL(
        fileURLWithPath: path, relativeTo: URL(fileURLWithPath: folder, isDirectory: true))
      variant.arguments[key] = .text(url.standardizedFileURL.path)
    }
  }

  /// What the network should predict from an input.
  package enum Target: String, CaseIterable, Sendable {
    case classIndex = "class"
    /// 1 for the class, 0 for the others.
    case oneHot = "one-hot"
    /// The input itself, for autoencoders.
    case input
  }

  /// nil: the data set's own target.
  package var target: Target? { arguments.optionalText("target").map { Target(rawValue: $0)! } }

  /// What an output is compared with.
  var targetForm: TargetForm {
    switch target {
    case .oneHot: .oneHot
    case .input: .input
    case .classIndex, nil: .own
    }
  }

  /// Samples to draw with replacement; nil: use all samples once.
  package var draws: SampleDraws? {
    arguments.optionalFields("sample").map {
      SampleDraws(
        train: $0.optionalInteger("train"), test: $0.optionalInteger("test"),
        seed: UInt32($0.integer("seed")))
    }
  }

  package var holdout: Holdout {
    let fields = arguments.fields("split")
    return Holdout(
      test: fields.number("test"), validation: fields.number("validation"),
      folds: fields.optionalInteger("folds"), fold: fields.integer("fold"),
      seed: UInt64(fields.integer("seed")))
  }

  package var standardize: Standardization.Kind {
    Standardization.Kind(rawValue: arguments.text("standardize"))!
  }
  package var standardizesTarget: Bool { arguments.flag("standardize_target") }

  package var augmentation: Augmentation {
    let fields = arguments.fields("augment")
    return Augmentation(
      shift: fields.integer("shift"), rotate: fields.number("rotate"), flip: fields.flag("flip"),
      noise: fields.number("noise"))
  }

  /// The standard deviation of the noise added to inputs, in training and in evaluation.
  package var corrupt: Double { arguments.number("corrupt") }

  static let table = VariantTable(
    "data", "Which samples, and what is done to them.", tag: "dataset",
    kinds: DatasetKind.all.map(\.kind),
    last: [
      .optional(
        "target", .choice(Target.allCases.map(\.rawValue)),
        "What the network is to make of an input: null is the data set's own; input is for autoencoders."
      ),
      .optional(
        "sample",
        .fields([
          .optional("train", .count, "Training samples to draw; null: all, undrawn."),
          .optional("test", .count, "Test samples to draw; null: all, undrawn."),
          seed,
        ]), "Draws with replacement, as numpy.random.choice; null: all samples."),
      .fields(
        "split",
        [
          .number(
            "test", .fractionBelowOne, 0,
            "The share of the samples that is the test split, where the data set has none of its own."
          ),
          .number(
            "validation", .fractionBelowOne, 0,
            "The share of the training split that is held out for validation."),
          .optional(
            "folds", .integer(2...ValueType.maximumCount),
            "k of k-fold cross-validation, over the training split."),
          .count("fold", 1, "The fold that is held out for validation, from 1."),
          seed,
        ], "What is held out."),
      .choice(
        "standardize", Standardization.Kind.allCases.map(\.rawValue), "none",
        "Inputs to mean 0 and deviation 1 by the training split: each element (feature), all by one mean (all), or each element's mean alone (center)."
      ),
      .flag(
        "standardize_target", false, "Numeric targets to mean 0 and deviation 1, likewise."),
      .fields(
        "augment",
        [
          .integer("shift", 0, "Images move by up to so many pixels along each axis."),
          .number(
            "rotate", NumberRange(minimum: 0, maximum: 180), 0,
            "Images turn by up to so many degrees either way."),
          .flag("flip", false, "Half the images are turned left to right."),
          .number("noise", .nonNegative, 0, "The standard deviation of noise added to inputs."),
        ], "Changes of training inputs, by chance, others in every epoch."),
      .number(
        "corrupt", .nonNegative, 0,
        "The standard deviation of noise added to inputs in training and evaluation, not to targets."
      ),
    ])

  private static let seed = Field(
    "seed", .integer(0...Int(UInt32.max)), .integer(0), "Of the draws.")

  /// - Throws: RecipeProblem if keys that are valid by themselves contradict each other.
  func check() throws {
    let split = holdout
    if split.test + split.validation >= 1 {
      throw RecipeProblem(
        ["data", "split", "validation"],
        "test \(split.test) and validation \(split.validation) leave nothing to train on")
    }
    guard let folds = split.folds else { return }
    if split.fold > folds {
      throw RecipeProblem(
        ["data", "split", "fold"],
        "\(split.fold) is not allowed; it must be 1 to \(folds), the folds")
    }
    if split.validation > 0 {
      throw RecipeProblem(
        ["data", "split", "validation"],
        "a fold is the validation split already; leave validation or folds away")
    }
  }
}
