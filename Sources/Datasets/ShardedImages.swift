import CKernels
import Glibc
import TensorCore

/// What becomes of a pixel, 0 ... 255, when a batch is made.
public enum PixelScale: Sendable {
  /// Float(x) / 255, as torchvision's ToTensor.
  case unit
  /// Float(x).
  case raw
}

/// The labelled images of a contiguous range of logical shards, kept as the bytes they are.
///
/// Nothing is written after loading, so threads may share it.
public final class ShardedImages: @unchecked Sendable {
  /// Extents of one sample, such as [28, 28].
  public let sampleShape: [Int]
  /// Samples in the whole files, not only in these shards.
  public var sampleCount: Int { deal.sampleCount }
  public var shardCount: Int { deal.shardCount }
  public let shards: Range<Int>

  private let deal: SampleDeal
  private let sampleByteCount: Int
  private var pixels: [UnsafeMutablePointer<UInt8>] = []  // of each shard: [localCount, bytes]
  private var labels: [[UInt8]] = []  // of each shard: [localCount]

  /// Reads both files once, front to back, and keeps the samples of `shards`. Memory: the bytes of
  /// those samples, and less than 2 MB while reading.
  /// - Parameters:
  ///   - images: path of an IDX file [N, ...]; gzipped or not, as `labels`.
  ///   - labels: path of an IDX file [N].
  ///   - shards: whose samples to keep; may be shards that get none.
  ///   - shardCount: shards in all.
  ///   - classCount: every label of the file, kept or not, must be below.
  /// - Throws: what `IDXReader` throws; `badData` where a label is out of range or the files do not
  ///   belong together; `trainingFailed` where memory does not suffice.
  /// - Precondition: `shards` is within 0 ..< shardCount; classCount >= 1.
  public static func load(
    images: String, labels: String, shards: Range<Int>, shardCount: Int, classCount: Int
  ) throws -> ShardedImages {
    let stream = try ImageStream(images: images, labels: labels, classCount: classCount)
    let loaded = ShardedImages(
      deal: SampleDeal(sampleCount: stream.sampleCount, shardCount: shardCount), shards: shards,
      sampleShape: stream.sampleShape)
    try loaded.load(stream, path: images)
    return loaded
  }

  private init(deal: SampleDeal, shards: Range<Int>, sampleShape: [Int]) {
    require(
      shards.lowerBound >= 0 && shards.upperBound <= deal.shardCount,
      "load: shards \(shards) are not within 0 ..< \(deal.shardCount)")
    self.deal = deal
    self.shards = shards
    self.sampleShape = sampleShape
    sampleByteCount = sampleShape.reduce(1, *)
  }

  deinit {
    for buffer in pixels { free(buffer) }
  }

  /// Samples of `shard`; 0 for the last shards where there are more shards than samples.
  public func localCount(_ shard: Int) -> Int { deal.localCount(shard) }

  /// Makes a batch of `shard`'s samples `local`, in that order.
  /// - Parameters:
  ///   - shard: one of `shards`.
  ///   - local: local sample indices; may repeat.
  ///   - images: [local.count, sampleShape...] float32, written.
  ///   - labels: [local.count], written.
  /// - Precondition: each index is in 0 ..< localCount(shard).
  public func gather(
    shard: Int, local: UnsafeBufferPointer<Int32>, scale: PixelScale,
    images: UnsafeMutablePointer<Float>, labels: UnsafeMutablePointer<Int64>
  ) {
    require(shards.contains(shard), "gather: shard \(shard) is not among the loaded \(shards)")
    guard let rows = local.baseAddress else { return }
    let ownLabels = self.labels[shard - shards.lowerBound]
    for (i, row) in local.enumerated() {
      require(
        row >= 0 && Int(row) < ownLabels.count,
        "gather: no local sample \(row) in shard \(shard), which has \(ownLabels.count)")
      labels[i] = Int64(ownLabels[Int(row)])
    }
    nd_gather_u8(
      images, pixels[shard - shards.lowerBound], rows, local.count, sampleByteCount,
      scale == .unit ? 1 : 0)
  }
}

// MARK: - Loading

extension ShardedImages {
  private func load(_ stream: ImageStream, path: String) throws {
    for shard in shards {
      pixels.append(try allocatePixels(shard, path: path))
      labels.append([])
      labels[labels.count - 1].reserveCapacity(localCount(shard))
    }
    for sample in 0..<sampleCount {
      let shard = sample % shardCount
      let label = try stream.readLabel()
      if shards.contains(shard) {
        labels[shard - shards.lowerBound].append(label)
        try stream.readPixels(
          into: pixels[shard - shards.lowerBound] + sample / shardCount * sampleByteCount)
      } else {
        try stream.skipPixels()
      }
    }
    try stream.finish()
  }

  /// The system's own allocator, which may refuse: Swift's would trap.
  private func allocatePixels(_ shard: Int, path: String) throws -> UnsafeMutablePointer<UInt8> {
    let byteCount = localCount(shard) * sampleByteCount
    guard let buffer = malloc(max(byteCount, 1)) else {
      throw Failure(
        .trainingFailed, "\(path): no memory for shard \(shard)'s samples, \(byteCount) bytes",
        remedy: "use more hosts, so that each loads fewer shards")
    }
    return buffer.assumingMemoryBound(to: UInt8.self)
  }
}
