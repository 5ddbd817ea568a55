import System
import Tensors

/// Draws samples with replacement from a data set's own training and test samples.
package struct SampleDraws: Sendable, Equatable {
  /// The number of samples to draw; nil: all samples of that part are used.
  package var train: Int?
  package var test: Int?
  package var seed: UInt32

  package init(train: Int?, test: Int?, seed: UInt32) {
    (self.train, self.test, self.seed) = (train, test, seed)
  }
}

/// The random samples that are held out of a data set's training samples.
public struct Holdout: Sendable, Equatable {
  /// The fraction that becomes the test split, if the data set has no test split of its own.
  public var test: Double
  /// The fraction of the remaining samples that becomes the validation split.
  public var validation: Double
  /// For cross-validation: the number of folds into which the training samples are divided. Fold
  /// number `fold`, counted from 1, is the validation split.
  public var folds: Int?
  public var fold: Int
  public var seed: UInt64

  public init(
    test: Double = 0, validation: Double = 0, folds: Int? = nil, fold: Int = 1, seed: UInt64 = 0
  ) {
    self.test = test
    self.validation = validation
    self.folds = folds
    self.fold = fold
    self.seed = seed
  }

  var isEmpty: Bool { test == 0 && validation == 0 && folds == nil }
}

/// The samples of a source that belong to each split. It depends only on the numbers of samples and
/// on the settings, so it is the same on every rank and in every later run.
package struct SplitPlan: Sendable {
  /// The samples of a split, as indices into its source; nil: all samples, in their order.
  package struct Selection: Sendable, Equatable {
    package let indices: [Int32]?
    package let count: Int

    package init(indices: [Int32]?, of sourceCount: Int) {
      self.indices = indices
      count = indices?.count ?? sourceCount
    }
  }

  package let train: Selection
  package let validation: Selection?
  /// Indices into the data set's own test samples if it has them, else into the training samples.
  package let test: Selection?

  /// - Parameters:
  ///   - trainCount: the number of samples of the training source.
  ///   - testCount: the number of samples of the data set's own test source; nil if it has none.
  ///   - draws: draws from these samples; nil: all are used.
  ///   - name: the data set's name in messages.
  /// - Throws: `badData` if a split would have no sample, or if `holdout` asks for a test split
  ///   although the data set has one.
  package init(
    trainCount: Int, testCount: Int?, draws: SampleDraws?, holdout: Holdout, name: String
  ) throws {
    if testCount != nil && holdout.test > 0 {
      throw Failure(
        .badData, "\(name) has a test split of its own", remedy: "set data.split.test to 0")
    }
    let largest = max(trainCount, testCount ?? 0)
    guard largest <= Int(Int32.max) else {
      throw Failure(
        .badData, "\(name) has \(largest) samples; at most \(Int32.max) are read",
        remedy: "train on a part of them")
    }
    let (drawnTrain, drawnTest) = SplitPlan.drawn(draws, trainCount, testCount)
    let count = drawnTrain?.count ?? trainCount
    let order =
      holdout.isEmpty
      ? [] : CountedRandom(seed: holdout.seed, purpose: "split").permutation(count)
    let testShare = Int((Double(count) * holdout.test).rounded())
    let rest = order.dropFirst(testShare)
    let held: [Int32]
    var kept: [Int32]
    if let folds = holdout.folds {
      guard folds <= rest.count else {
        throw Failure(
          .badData, "\(name): \(folds) folds are more than its samples, \(rest.count)",
          remedy: "use fewer folds, or bring more samples")
      }
      let parts = Dictionary(grouping: rest.enumerated()) { $0.offset % folds == holdout.fold - 1 }
      held = parts[true, default: []].map(\.element)
      kept = parts[false, default: []].map(\.element)
    } else {
      let share = Int((Double(rest.count) * holdout.validation).rounded())
      held = Array(rest.prefix(share))
      kept = Array(rest.dropFirst(share))
    }
    let isWhole = holdout.isEmpty
    func selection(_ positions: some Sequence<Int32>) -> Selection {
      // In the source's order, because a source is read from the beginning to the end.
      let sorted = positions.sorted()
      return Selection(
        indices: drawnTrain.map { drawn in sorted.map { drawn[Int($0)] } } ?? sorted, of: trainCount
      )
    }
    if isWhole { kept = [] }
    train = isWhole ? Selection(indices: drawnTrain, of: trainCount) : selection(kept)
    let wantsValidation = holdout.folds != nil || holdout.validation > 0
    validation = wantsValidation ? selection(held) : nil
    if let testCount {
      test = Selection(indices: drawnTest, of: testCount)
    } else {
      test = holdout.test > 0 ? selection(order.prefix(testShare)) : nil
    }
    for (split, selection) in [("training", train), ("validation", validation), ("test", test)] {
      guard let selection, selection.count == 0 else { continue }
      throw Failure(
        .badData, "\(name): its \(count) samples leave none for the \(split) split",
        remedy: "change data.split, or bring more samples")
    }
  }

  /// Draws as the original notebooks do: the training indices, then the test indices, with NumPy's
  /// global generator.
  private static func drawn(
    _ draws: SampleDraws?, _ trainCount: Int, _ testCount: Int?
  ) -> (train: [Int32]?, test: [Int32]?) {
    guard let draws else { return (nil, nil) }
    var random = NumPyRandom(seed: draws.seed)
    let train = draws.train.map { random.choice(trainCount, count: $0).map { Int32($0) } }
    let test = testCount.flatMap { own in
      draws.test.map { random.choice(own, count: $0).map { Int32($0) } }
    }
    return (train, test)
  }

  package func selection(_ split: Split) -> Selection? {
    switch split {
    case .train: train
    case .validation: validation
    case .test: test
    }
  }
}
