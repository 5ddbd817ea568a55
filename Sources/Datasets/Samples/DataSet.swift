import System
import Tensors

/// A data set as a recipe describes it: its sources, how they are divided, and what the network sees
/// of a sample.
public struct DataSet: Sendable {
  public let name: String
  /// Opens the training or the test samples, from the beginning.
  public let open: @Sendable (Split) throws -> any SampleSource
  public let hasTestSource: Bool
  public var draws: SampleDraws?
  public var holdout: Holdout
  public var format: SampleFormat
  public var standardization: Standardization.Kind
  /// Whether numeric targets are standardized too.
  public var standardizesTarget: Bool
  /// Whether targets are the inputs of later steps, and so are measured by the same statistics.
  public var targetsAreLaterInputs: Bool

  public init(
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

  public var hasValidation: Bool { holdout.folds != nil || holdout.validation > 0 }
  public var hasTest: Bool { hasTestSource || holdout.test > 0 }

  /// The splits to evaluate on, the one that chooses the best checkpoint first. A data set that holds
  /// nothing out is evaluated on what it trains on.
  public var evaluationSplits: [Split] {
    let held = (hasValidation ? [Split.validation] : []) + (hasTest ? [.test] : [])
    return held.isEmpty ? [.train] : held
  }

  /// A split's source, from its beginning, and which of its samples are the split's.
  /// - Throws: what the source throws; `badData` where the split has no sample.
  public func source(_ split: Split) throws -> (any SampleSource, SplitPlan.Selection) {
    let fromTest = split == .test && hasTestSource
    let source = try open(fromTest ? .test : .train)
    // How many the other source has matters only where it decides what is drawn.
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

  /// The samples of a split of some of S shards, in memory.
  public func load(_ split: Split, shards: Range<Int>, shardCount: Int) throws -> SampleStore {
    let (source, selection) = try source(split)
    return try SampleStore(source, selection, shards: shards, shardCount: shardCount)
  }

  /// A split to read front to back.
  public func reader(_ split: Split) throws -> SplitReader {
    let (source, selection) = try source(split)
    return try SplitReader(source, selection)
  }

  /// What `store`'s samples of one shard add to the statistics of the split.
  public func statistics(_ store: SampleStore, shard: Int) -> SplitStatistics {
    let plain = SampleFormat(scale: format.scale, target: format.target)
    var statistics = SplitStatistics()
    let count = store.localCount(shard)
    for start in stride(from: 0, to: count, by: 256) {
      let rows = (start..<min(start + 256, count)).map { Int32($0) }
      let batch = rows.withUnsafeBufferPointer {
        plain.batch(store, shard: shard, local: $0, epoch: nil)
      }
      add(batch.inputs, to: &statistics.input)
      if batch.targets.dtype == .float32 { add(batch.targets, to: &statistics.target) }
    }
    return statistics
  }

  private func add(_ batch: Tensor, to part: inout Standardization.Part) {
    let width = standardization == .all ? 1 : batch.shape.dropFirst().reduce(1, *)
    if part.count == 0 { part = Standardization.Part(width: width) }
    part.add(UnsafeBufferPointer(start: batch.pointer(Float.self), count: batch.elementCount))
  }

  /// From the statistics of all shards, in shard order.
  public func standardization(_ parts: [SplitStatistics]) -> DataStandardization {
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
