import System

/// Reads a split in order, one batch at a time.
///
/// If the split is a whole source, only one batch at a time is in memory. If it is a part of a
/// source, all of it is loaded first.
package final class SplitReader {
  package let sampleCount: Int
  package let inputShape: [Int]
  package let targetType: TargetType
  package let targetElementCount: Int
  package let classNames: [String]?
  private let source: any SampleSource
  /// The loaded split; nil if the source is read batch by batch.
  private let store: SampleStore?
  private var position = 0

  /// - Parameter selection: the samples of the split; nil: all samples, in their order.
  package init(_ source: any SampleSource, _ selection: SplitPlan.Selection? = nil) throws {
    let selection = selection ?? .init(indices: nil, of: source.sampleCount)
    sampleCount = selection.count
    inputShape = source.inputShape
    targetType = source.targetType
    targetElementCount = source.targetElementCount
    classNames = source.classNames
    self.source = source
    store =
      selection.indices == nil
      ? nil : try SampleStore(source, selection, shards: 0..<1, shardCount: 1)
  }

  /// Reads the next `count` samples, as the network sees them in evaluation.
  /// - Precondition: at least `count` samples are left.
  package func read(_ count: Int, _ format: SampleFormat) throws -> Batch {
    require(position + count <= sampleCount, "read: \(count) more than \(sampleCount) samples")
    let block = try store ?? SampleStore(next: count, of: source, firstSample: position)
    let first = store == nil ? 0 : position
    position += count
    let rows = (first..<first + count).map { Int32($0) }
    return rows.withUnsafeBufferPointer { format.batch(block, shard: 0, local: $0, epoch: nil) }
  }

  /// Checks that the rest can be read: reads to the end without keeping the samples.
  package func verify() throws {
    guard store == nil else { return }
    for _ in position..<sampleCount {
      try source.next(input: nil, target: nil)
      Progress.note()
    }
    try finish()
  }

  /// Checks that no data is left, after all samples were read.
  package func finish() throws { if store == nil { try source.finish() } }
}
