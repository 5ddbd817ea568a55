import Datasets
import System

extension Recipe {
  /// The shapes of a sample; nil where only the files tell.
  package var sampleShapes: SampleShapes? { DatasetKind.of(data).shapes(data.arguments) }

  /// Follows the shape of a sample through the network, so that a layer that does not fit is an
  /// error before anything is loaded. Checks nothing where only the files tell the shape.
  /// - Throws: RecipeProblem at the layer that does not fit.
  func checkShapes() throws {
    if let sampleShapes { try check(sampleShapes) }
  }

  /// Checks the shapes that the data have, once they are open.
  /// - Parameters:
  ///   - inputShape: the shape of one sample as the network gets it, such as [1, 28, 28].
  ///   - targetShape: the shape of one target as the data set has it; [] is one number.
  ///   - classCount: the number of classes; nil: targets are numbers.
  ///   - classNames: the names of the classes; nil: they have none.
  /// - Throws: `Failure(.usage)` naming the layer that does not fit.
  package func check(
    inputShape: [Int], targetShape: [Int], classCount: Int?, classNames: [String]? = nil
  ) throws {
    do {
      try check(
        SampleShapes(
          input: inputShape, target: targetShape, classCount: classCount, classNames: classNames))
    } catch let problem as RecipeProblem {
      if let lines { throw lines.failure(problem) }
      throw Failure(
        .usage, "recipe \(name): \(problem.path.joined(separator: ".")): \(problem.what)")
    }
  }

  private func check(_ sample: SampleShapes) throws {
    if data.augmentation.isGeometric, sample.input.count != 3 {
      throw RecipeProblem(
        ["data", "augment"],
        "images are shifted, rotated and flipped, and a sample is \(sample.input); only noise is for all"
      )
    }
    let targetType = sample.classCount.map { TargetType.classIndex(count: $0) } ?? .float32
    if evaluation.earlyStopping?.monitor == .accuracy, accuracyRule(for: targetType) == .none {
      throw RecipeProblem(
        ["evaluation", "early_stopping", "monitor"],
        "nothing is right or wrong with \(loss.kind) on \(data.dataset); watch loss")
    }
    let target = try wantedTarget(sample)
    let output = try model.shape(after: sample.input)
    try check(output: output, target)
  }

  /// The target of a sample in the form that `data.target` gives.
  private func wantedTarget(_ sample: SampleShapes) throws -> SampleShapes {
    func needsClasses() -> RecipeProblem {
      RecipeProblem(
        ["data", "target"],
        "the targets of \(data.dataset) are numbers \(sample.target), not classes; leave target away"
      )
    }
    switch data.target {
    case nil: return sample
    case .classIndex:
      if sample.classCount == nil { throw needsClasses() }
      return sample
    case .oneHot:
      guard let classCount = sample.classCount else { throw needsClasses() }
      return SampleShapes(input: sample.input, target: sample.target + [classCount])
    case .input: return SampleShapes(input: sample.input, target: sample.input)
    }
  }

  private static func shown(_ names: [String]) -> String {
    names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
  }

  private func check(output: [Int], _ wanted: SampleShapes) throws {
    let model = self.model.layers == nil ? ["model"] : ["model", "layers"]
    let targets = loss.loss().targetKind
    if targets == .any { return }
    let makes = "the network turns a sample into \(output), \(loss.kind) on \(data.dataset) needs"
    guard let classCount = wanted.classCount else {
      if targets == .classes {
        throw RecipeProblem(
          ["loss"], "\(loss.kind) takes classes, and targets are numbers \(wanted.target)")
      }
      guard output == wanted.target else {
        throw RecipeProblem(model, "\(makes) \(wanted.target), a target's shape")
      }
      return
    }
    guard targets != .numbers else {
      throw RecipeProblem(
        ["loss"],
        "\(loss.kind) compares numbers, and the targets of \(data.dataset) are classes; set "
          + "data.target to one-hot, or use cross-entropy")
    }
    let scores = [classCount] + wanted.target
    guard output == scores else {
      throw RecipeProblem(
        model,
        "\(makes) \(scores), a score for each class" + (wanted.target.isEmpty ? "" : " and place")
          + (wanted.classNames.map { " (\(Recipe.shown($0)))" } ?? ""))
    }
  }
}
