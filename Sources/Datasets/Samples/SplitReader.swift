import System

/// A split read front to back, a batch at a time.
///
/// A whole source is read as it goes, so that no more than a batch is in memory; a part of one is
/// loaded first.
package final class SplitReader {
  package let sampleCount: Int
  package let inputShape: [Int]
  package let targetType: TargetType
  package let targetElementCount: Int
  package let classNames: [String]?
  private let source: any SampleSource
  /// nil where the source is read as it goes.
  private let store: SampleStore?
  private var position = 0

  /// - Parameter selection: the split's samples; nil: all, in their order.
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

  /// The next `count` samples as the network sees them in evaluation.
  /// - Precondition: so many are left.
  package func read(_ count: Int, _ format: SampleFormat) throws -> Batch {
    require(position + count <= sampleCount, "read: \(count) more than \(sampleCount) samples")
    let block = try store ?? SampleStore(next: count, of: source, firstSample: position)
    let first = store == nil ? 0 : position
    position += count
    let rows = (first..<first + count).map { Int32($0) }
    return rows.withUnsafeBufferPointer { format.batch(block, shard: 0, local: $0, epoch: nil) }
  }

  /// Reads on to the end and keeps nothing: whether all of it can be read.
  package func verify() throws {
    guard store == nil else { return }
    for _ in position..<sampleCount {
      try source.next(input: nil, target: nil)
      Progress.note()
    }
    try finish()
  }

  /// Checks that nothing follows, once all samples were read.
  package func finish() throws { if store == nil { try source.finish() } }
}
