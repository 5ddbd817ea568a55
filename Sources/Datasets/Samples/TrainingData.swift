import System
import Tensors

/// The data of a training run: the sources of samples, how they are divided into splits, and how
/// samples are converted for the network.
public struct TrainingData: Sendable {
  public let name: String
  /// Opens the training or the test samples, from the beginning.
  package let open: @Sendable (Split) throws -> any SampleSource
  package let hasTestSource: Bool
  package var draws: SampleDraws?
  package var holdout: Holdout
  package var format: SampleFormat
  package var standardization: Standardization.Kind
  /// Whether numeric targets are standardized too.
  package var standardizesTarget: Bool
  /// Whether targets are the inputs of later time steps, and so are standardized with the inputs'
  /// statistics.
  package var targetsAreLaterInputs: Bool

  package init(
    name: String, hasTestSource: Bool, draws: SampleDraws? = nil, holdout: Holdout = Holdout(),
    format: SampleFormat = SampleFormat(), standardization: Standardization.Kind = .none,
    standardizesTarget: Bool = false, targetsAreLaterInputs: Bool = false,
    open: @escaping @Sendable (Split) throws -> any SampleSource
  ) {
    self.name = name
    self.open = open
    self.hasTestSource = hasTestSource
    self.draws = draws
    self.holdout = holdout
    self.format = format
    self.standardization = standardization
    self.standardizesTarget = standardizesTarget
    self.targetsAreLaterInputs = targetsAreLaterInputs
  }

  package var hasValidation: Bool { holdout.folds != nil || holdout.validation > 0 }
  package var hasTest: Bool { hasTestSource || holdout.test > 0 }

  /// The splits to evaluate. The first one chooses the best checkpoint. If nothing is held out, the
  /// training split is evaluated.
  package var evaluationSplits: [Split] {
    let held = (hasValidation ? [Split.validation] : []) + (hasTest ? [.test] : [])
    return held.isEmpty ? [.train] : held
  }

  /// Returns a split's source, at its beginning, and the split's samples in it.
  /// - Throws: errors of the source; `badData` if there is no such split, or it has no sample.
  package func source(_ split: Split) throws -> (any SampleSource, SplitPlan.Selection) {
    let fromTest = split == .test && hasTestSource
    let source = try open(fromTest ? .test : .train)
    // The size of the training source matters for the test split only if test samples are drawn.
    let needsTrainCount = fromTest && draws?.test != nil
    let trainCount = needsTrainCount ? try open(.train).sampleCount : source.sampleCount
    let plan = try SplitPlan(
      trainCount: fromTest && !needsTrainCount ? 1 : trainCount,
      testCount: hasTestSource ? (fromTest ? source.sampleCount : 1) : nil, draws: draws,
      holdout: fromTest ? Holdout() : holdout, name: source.name)
    guard let selection = plan.selection(split) else {
      throw Failure(
        .badData, "\(name) has no \(split.rawValue) split",
        remedy: "hold one out: --set data.split.\(split.rawValue)=0.1")
    }
    return (source, selection)
  }

  /// Loads the samples of some of a split's S shards into memory.
  package func load(_ split: Split, shards: Range<Int>, shardCount: Int) throws -> SampleStore {
    let (source, selection) = try source(split)
    return try SampleStore(source, selection, shards: shards, shardCount: shardCount)
  }

  /// Opens a split to read it in order.
  package func reader(_ split: Split) throws -> SplitReader {
    let (source, selection) = try source(split)
    return try SplitReader(source, selection)
  }

  /// Computes the statistics of the samples of one shard of `store`.
  package func statistics(_ store: SampleStore, shard: Int) -> SplitStatistics {
    let plain = SampleFormat(scale: format.scale, target: format.target)
    var statistics = SplitStatistics()
    let count = store.localCount(shard)
    for start in stride(from: 0, to: count, by: 256) {
      let rows = (start..<min(start + 256, count)).map { Int32($0) }
      let batch = rows.withUnsafeBufferPointer {
        plain.batch(store, shard: shard, local: $0, epoch: nil)
      }
      add(batch.inputs.only, to: &statistics.input)
      let targets = batch.targets.first
      if targets.dtype == .float32 { add(targets, to: &statistics.target) }
    }
    return statistics
  }

  private func add(_ batch: Tensor, to part: inout Standardization.Part) {
    let width = standardization == .all ? 1 : batch.shape.dropFirst().reduce(1, *)
    if part.count == 0 { part = Standardization.Part(width: width) }
    part.add(UnsafeBufferPointer(start: batch.pointer(Float.self), count: batch.elementCount))
  }

  /// Computes the standardization from the statistics of all shards, in shard order.
  package func standardization(_ parts: [SplitStatistics]) -> DataStandardization {
    var total = SplitStatistics()
    for part in parts {
      total.input.add(part.input)
      total.target.add(part.target)
    }
    let hasTarget = standardizesTarget && total.target.count > 0
    let ofTarget = targetsAreLaterInputs ? total.input : total.target
    return DataStandardization(
      input: Standardization(total.input, kind: standardization),
      target: hasTarget ? Standardization(ofTarget, kind: standardization) : nil)
  }
}

extension TrainingData {
  /// Creates training data from custom data sets.
  /// - Parameters:
  ///   - test: the test samples; nil: `holdout` may take them from the training samples.
  ///   - holdout: the samples that are held out of the training samples.
  public init(
    _ train: any Dataset, test: (any Dataset)? = nil, holdout: Holdout = Holdout(),
    scale: PixelScale = .unit
  ) {
    self.init(
      name: train.name, hasTestSource: test != nil, holdout: holdout,
      format: SampleFormat(scale: scale)
    ) { try DatasetSource($0 == .test ? test ?? train : train) }
  }

  /// Training data from custom data sets.
  public static func dataset(
    _ train: any Dataset, test: (any Dataset)? = nil, holdout: Holdout = Holdout()
  ) -> TrainingData {
    TrainingData(train, test: test, holdout: holdout)
  }

  /// The rows of a CSV file with a header.
  /// - Parameters:
  ///   - target: the column to predict.
  ///   - kind: whether the target is a class or a number.
  ///   - columns: the input columns; nil: all columns except the target.
  ///   - standardization: of the inputs, with the training split's statistics.
  public static func csv(
    _ path: String, target: String, kind: TargetKind = .classIndex, columns: [String]? = nil,
    separator: String = ",", missing: CSVOptions.Missing = .error, holdout: Holdout = Holdout(),
    standardization: Standardization.Kind = .none
  ) -> TrainingData {
    let options = CSVOptions(
      targetColumn: target, targetKind: kind, columns: columns, separator: separator,
      missing: missing)
    return TrainingData(
      name: path, hasTestSource: false, holdout: holdout, standardization: standardization
    ) { _ in try CSVReader(path: path, options: options) }
  }

  /// Two arrays of a NumPy archive (.npz). Each row is a sample.
  public static func npz(
    _ path: String, inputs: String = "x", targets: String = "y", kind: TargetKind = .classIndex,
    holdout: Holdout = Holdout(), standardization: Standardization.Kind = .none
  ) -> TrainingData {
    TrainingData(
      name: path, hasTestSource: false, holdout: holdout, standardization: standardization
    ) { _ in
      try NPYSource(archive: path, inputs: inputs, targets: targets, targetKind: kind)
    }
  }

  /// Images and labels in MNIST's format: a folder with four IDX files, such as
  /// train-images-idx3-ubyte.gz.
  public static func idx(_ folder: String, classCount: Int = 10) -> TrainingData {
    TrainingData(name: folder, hasTestSource: true) { split in
      let files = try ImageFolder.locate(folder, dataset: "idx")
      return try ImageStream(
        images: split == .test ? files.testImages : files.trainImages,
        labels: split == .test ? files.testLabels : files.trainLabels, classCount: classCount)
    }
  }

  /// PNG files in one folder for each class; or a folder with train/ and test/, which contain such
  /// folders.
  public static func images(_ folder: String, holdout: Holdout = Holdout()) -> TrainingData {
    TrainingData(
      name: folder, hasTestSource: PNGFolder.has(.test, in: folder), holdout: holdout
    ) { split in
      let train = try PNGFolder(root: folder, split: .train)
      return split == .train
        ? train : try PNGFolder(root: folder, split: split, classNames: train.classNames)
    }
  }
}
