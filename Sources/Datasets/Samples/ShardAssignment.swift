import System

/// The assignment of samples to logical shards, round-robin: sample i belongs to shard i mod S,
/// where it is local sample i div S.
///
/// The positions of an epoch are assigned in the same way, so every shard has as many positions as
/// samples.
struct ShardAssignment: Sendable, Equatable {
  let sampleCount: Int  // N
  let shardCount: Int  // S

  init(sampleCount: Int, shardCount: Int) {
    require(sampleCount >= 1, "a data set of \(sampleCount) samples cannot be dealt")
    require(shardCount >= 1, "samples cannot be dealt over \(shardCount) shards")
    self.sampleCount = sampleCount
    self.shardCount = shardCount
  }

  /// The number of samples of `shard`: ceil((N - shard) / S); 0 for the last shards if S > N.
  func localCount(_ shard: Int) -> Int {
    localCount(shard, before: sampleCount)
  }

  /// The number of samples of `shard` among the samples 0 ..< end.
  /// - Precondition: 0 <= shard < S.
  func localCount(_ shard: Int, before end: Int) -> Int {
    require(0..<shardCount ~= shard, "no shard \(shard) among \(shardCount)")
    return end <= shard ? 0 : (end - shard - 1) / shardCount + 1
  }

  /// The index in the split of sample `local` of `shard`.
  /// - Precondition: 0 <= local < localCount(shard).
  func sampleIndex(shard: Int, local: Int) -> Int {
    require(
      local >= 0 && local < localCount(shard),
      "no local sample \(local) in shard \(shard), which has \(localCount(shard))")
    return local * shardCount + shard
  }
}
