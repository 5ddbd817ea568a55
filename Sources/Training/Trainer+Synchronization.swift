import Autograd
import Communication
import DataParallel
import Datasets
import Layers
import System

/// Networks with layers that see the global batch.
extension Trainer {
  /// Gives the layers of every shard's network that normalize over the global batch the place where
  /// they meet; nil where there are none.
  ///
  /// Shards without samples in a batch must come to each meeting too, so how many a step has is
  /// counted before: on root, whose shard 0 has samples, by one pass forward and back.
  ///
  /// Collective: every rank.
  /// - Throws: Failure, the same on every rank; MPIError.
  static func synchronizer(
    of workers: [ShardWorker], shardCount: Int, job: TrainingJob, data: SampleStore,
    format: SampleFormat, communicator: Communicator
  ) throws -> ShardSynchronizer? {
    let layers = workers[0].replica.module.synchronizedBatchNorms
    guard let channels = layers.map(\.core.channels).max() else { return nil }
    require(job.microBatchSize == nil, "pieces of a batch cannot meet other shards' pieces")
    let counted =
      communicator.isRoot
      ? countMeetings(workers[0].replica, job: job, data: data, format: format) : 0
    let meetingCount = Int(try communicator.allreduceMax(Int64(counted)))
    // Two sums a channel; or one and the number of samples.
    let synchronizer = try ShardSynchronizer(
      communicator: communicator, shardCount: shardCount, valueCount: max(2 * channels, 2),
      meetingCount: meetingCount)
    for (worker, member) in zip(workers, synchronizer.members) { worker.meetings = member }
    return synchronizer
  }

  /// What a step of a shard with samples comes to: here two, of which only the number matters. The
  /// values of the parameters do not.
  private static func countMeetings(
    _ replica: ShardReplica, job: TrainingJob, data: SampleStore, format: SampleFormat
  ) -> Int {
    let counter = MeetingCounter()
    let layers = replica.module.synchronizedBatchNorms
    for layer in layers { layer.core.synchronizer = counter }
    let batch = [Int32(0), 0].withUnsafeBufferPointer {
      format.batch(data, shard: replica.shard, local: $0, epoch: nil)
    }
    replica.module.setDropoutKey(DropoutKey(seed: job.seed, step: 0, samples: [0, 0]))
    replica.differentiate(
      job.loss(replica.module(batch.inputs), batch.targets, globalCount: 2))
    for layer in layers { layer.core.synchronizer = nil }
    replica.clear()
    return counter.count
  }
}

/// A shard that is alone.
private final class MeetingCounter: BatchSynchronizer {
  private(set) var count = 0

  func sum(_ values: [Float]) -> [Float] {
    count += 1
    return values
  }
}
