import CKernels
import CSystem
import Glibc
import System

/// The samples of a contiguous range of logical shards, in memory, in the types of their source.
///
/// It does not change after loading, so threads may share it.
package final class SampleStore: @unchecked Sendable {
  package let inputShape: [Int]
  package let inputType: InputType
  package let targetShape: [Int]
  package let targetType: TargetType
  /// The arrays of a sample. The inputs of a sample are stored one after another in one record, and
  /// its targets in another.
  package let inputFeatures, targetFeatures: [Feature]
  package let classNames: [String]?
  /// The number of samples of the whole split, not only of these shards.
  package var sampleCount: Int { assignment.sampleCount }
  package var shardCount: Int { assignment.shardCount }
  package let shards: Range<Int>
  /// The source's name, for messages.
  package let sourceName: String
  /// The `digest` of the whole source, including the samples of other shards; nil if the source has
  /// none, or if only some of its samples were read.
  package private(set) var sourceDigest: UInt64?

  private let assignment: ShardAssignment
  private let firstSample: Int
  private let inputByteCount: Int  // of one sample
  private let targetByteCount: Int
  // By shard: [localCount, bytes of a sample].
  private var inputs: [UnsafeMutableRawPointer] = []
  private var targets: [UnsafeMutableRawPointer] = []

  /// Reads the source once, from the beginning to the end, and keeps the samples of `shards`. It
  /// needs memory for these samples, an index of 8 bytes for each if the split is not the whole
  /// source, and the memory of the source.
  /// - Parameters:
  ///   - selection: the samples of the split; sample i of the split belongs to shard i mod S.
  ///   - shards: the shards whose samples are kept; a shard may have no sample.
  /// - Throws: errors of the source; `trainingFailed` if there is not enough memory.
  /// - Precondition: `shards` is within 0 ..< shardCount; the selection has a sample.
  package convenience init(
    _ source: any SampleSource, _ selection: SplitPlan.Selection, shards: Range<Int>,
    shardCount: Int
  ) throws {
    try self.init(
      roomFor: ShardAssignment(sampleCount: selection.count, shardCount: shardCount), shards,
      of: source, firstSample: 0)
    try load(source, selection)
  }

  /// Reads the next `count` samples of a source. The first of them has index `firstSample` in its
  /// split.
  convenience init(next count: Int, of source: any SampleSource, firstSample: Int) throws {
    try self.init(
      roomFor: ShardAssignment(sampleCount: count, shardCount: 1), 0..<1, of: source,
      firstSample: firstSample)
    for place in 0..<count {
      let (input, target) = slots(place)
      try source.next(input: input, target: target)
    }
  }

  private init(
    roomFor assignment: ShardAssignment, _ shards: Range<Int>, of source: any SampleSource,
    firstSample: Int
  ) throws {
    self.assignment = assignment
    self.firstSample = firstSample
    require(
      shards.lowerBound >= 0 && shards.upperBound <= assignment.shardCount,
      "load: shards \(shards) are not within 0 ..< \(assignment.shardCount)")
    self.shards = shards
    (inputShape, inputType) = (source.inputShape, source.inputType)
    (targetShape, targetType) = (source.targetShape, source.targetType)
    (inputFeatures, targetFeatures) = (source.inputFeatures, source.targetFeatures)
    classNames = source.classNames
    sourceName = source.name
    inputByteCount = inputFeatures.byteCount
    targetByteCount = targetFeatures.byteCount
    for shard in shards {
      inputs.append(try allocate(inputByteCount, shard, source.name))
      targets.append(try allocate(targetByteCount, shard, source.name))
    }
  }

  deinit {
    for buffer in inputs + targets { free(buffer) }
  }

  /// The number of samples of `shard`; 0 for the last shards if there are more shards than samples.
  package func localCount(_ shard: Int) -> Int { assignment.localCount(shard) }

  /// The index in the split of sample `local` of a shard.
  package func sampleIndex(shard: Int, local: Int) -> Int {
    firstSample + assignment.sampleIndex(shard: shard, local: local)
  }

  /// Copies one input feature of some samples, in the order of `local`, as float32 or int64.
  /// - Parameters:
  ///   - feature: an index into `inputFeatures`.
  ///   - shard: one of `shards`.
  ///   - local: local sample indices; they may repeat.
  ///   - scale: the scale of pixels; other numbers do not change.
  ///   - target: [local.count, the feature's shape...], which is written.
  /// - Precondition: each index is in 0 ..< localCount(shard).
  package func gatherInput(
    _ feature: Int = 0, shard: Int, local: UnsafeBufferPointer<Int32>, scale: PixelScale,
    into target: UnsafeMutableRawPointer
  ) {
    guard let rows = local.baseAddress else { return }
    let from = pointer(inputs, shard, local)
    let type = inputFeatures[feature].type
    guard type == .uint8 else {
      return copy(inputFeatures, feature, from, local, inputByteCount, to: target)
    }
    let floats = target.assumingMemoryBound(to: Float.self)
    if inputFeatures.count == 1 {
      nd_gather_u8(
        floats, from.assumingMemoryBound(to: UInt8.self), rows, local.count, inputByteCount,
        scale == .unit ? 1 : 0)
      return
    }
    // With several features, the rows of one feature are not contiguous, so each row needs a call.
    let (offset, width) = (inputFeatures.offsets[feature], inputFeatures[feature].elementCount)
    var first: Int32 = 0
    for (row, index) in local.enumerated() {
      let start = from + Int(index) * inputByteCount + offset
      nd_gather_u8(
        floats + row * width, start.assumingMemoryBound(to: UInt8.self), &first, 1, width,
        scale == .unit ? 1 : 0)
    }
  }

  /// Copies one target feature of some samples, in the order of `local`.
  /// - Parameters:
  ///   - feature: an index into `targetFeatures`.
  ///   - target: [local.count, the feature's shape...], int64 or float32 according to the feature's
  ///     type.
  package func gatherTarget(
    _ feature: Int = 0, shard: Int, local: UnsafeBufferPointer<Int32>,
    into target: UnsafeMutableRawPointer
  ) {
    guard !local.isEmpty else { return }
    copy(
      targetFeatures, feature, pointer(targets, shard, local), local, targetByteCount, to: target)
  }

  /// Prefetches the inputs of samples that will be gathered soon into the cache. It does nothing if
  /// they have more than 64 KiB.
  package func prefetch(shard: Int, local: UnsafeBufferPointer<Int32>) {
    guard let rows = local.baseAddress, local.count * inputByteCount <= 1 << 16 else { return }
    let from = pointer(inputs, shard, local).assumingMemoryBound(to: UInt8.self)
    nd_prefetch_rows(from, rows, local.count, inputByteCount)
  }

  private func pointer(
    _ buffers: [UnsafeMutableRawPointer], _ shard: Int, _ local: UnsafeBufferPointer<Int32>
  ) -> UnsafeMutableRawPointer {
    require(shards.contains(shard), "gather: shard \(shard) is not among the loaded \(shards)")
    let count = localCount(shard)
    for row in local {
      require(
        row >= 0 && Int(row) < count,
        "gather: no local sample \(row) in shard \(shard), which has \(count)")
    }
    return buffers[shard - shards.lowerBound]
  }

  private func copy(
    _ features: [Feature], _ feature: Int, _ from: UnsafeMutableRawPointer,
    _ rows: UnsafeBufferPointer<Int32>, _ recordByteCount: Int,
    to target: UnsafeMutableRawPointer
  ) {
    let byteCount = features[feature].byteCount
    let start = from + (features.count == 1 ? 0 : features.offsets[feature])
    for (i, row) in rows.enumerated() {
      (target + i * byteCount).copyMemory(
        from: start + Int(row) * recordByteCount, byteCount: byteCount)
    }
  }
}

// MARK: - Loading

extension SampleStore {
  private func load(_ source: any SampleSource, _ selection: SplitPlan.Selection) throws {
    guard let indices = selection.indices else {
      for place in 0..<selection.count {
        let own = shards.contains(place % shardCount) ? slots(place) : nil
        try source.next(input: own?.0, target: own?.1)
        try noteOne()
      }
      try source.finish()
      sourceDigest = source.digest
      return
    }
    var next = 0
    func skip(to index: Int) throws {
      for _ in next..<index {
        try source.next(input: nil, target: nil)
        try noteOne()
      }
      next = index
    }
    // This rank's samples in the order in which the source gives them.
    var wanted: [(source: Int32, place: Int32)] = []
    for place in 0..<selection.count where shards.contains(place % shardCount) {
      wanted.append((indices[place], Int32(place)))
    }
    wanted.sort { ($0.source, $0.place) < ($1.source, $1.place) }
    var last: (source: Int32, place: Int32)?
    for entry in wanted {
      let (input, target) = slots(Int(entry.place))
      if let last, last.source == entry.source {
        // The sample was drawn twice.
        let (knownInput, knownTarget) = slots(Int(last.place))
        input.copyMemory(from: knownInput, byteCount: inputByteCount)
        target.copyMemory(from: knownTarget, byteCount: targetByteCount)
      } else {
        try skip(to: Int(entry.source))
        try source.next(input: input, target: target)
        try noteOne()
        next += 1
      }
      last = entry
    }
    // Reads to the end, so that every rank notices damage anywhere in a file.
    try skip(to: source.sampleCount)
    try source.finish()
    sourceDigest = source.digest
  }

  /// Reports progress to the watchdog, and checks for a stop signal.
  private func noteOne() throws {
    Progress.note()
    try StopSignals.checkWhileLoading(sourceName)
  }

  private func slots(_ place: Int) -> (UnsafeMutableRawPointer, UnsafeMutableRawPointer) {
    let (shard, local) = (place % shardCount - shards.lowerBound, place / shardCount)
    return (inputs[shard] + local * inputByteCount, targets[shard] + local * targetByteCount)
  }

  /// Allocates memory for a shard with malloc, which returns NULL if there is not enough memory.
  /// Swift's allocation would end the process.
  private func allocate(
    _ sampleByteCount: Int, _ shard: Int, _ name: String
  ) throws -> UnsafeMutableRawPointer {
    let byteCount = localCount(shard) * sampleByteCount
    guard let buffer = nd_try_malloc(max(byteCount, 1)) else {
      throw Failure(
        .trainingFailed, "\(name): out of memory: shard \(shard)'s samples, \(byteCount) bytes",
        remedy: "use more hosts, so that each loads fewer shards")
    }
    // Shuffled samples are far apart: with small pages, most samples need a walk through the page
    // tables. If the system refuses huge pages, the pages stay small.
    let hugePage = 1 << 21
    let first = buffer.alignedUp(toMultipleOf: hugePage)
    let count = (buffer + byteCount - first) / hugePage
    if count > 0 { madvise(first, count * hugePage, MADV_HUGEPAGE) }
    return buffer
  }
}
