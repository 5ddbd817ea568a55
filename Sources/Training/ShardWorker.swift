import Autograd
import DataParallel
import Datasets
import TensorCore

/// One shard at work: its samples, their order in this epoch, and its replica of the network.
final class ShardWorker {
  let replica: ShardReplica
  private let data: ShardedImages
  private var order: ShardOrder

  init(replica: ShardReplica, data: ShardedImages, order: SampleOrder, epoch: Int) {
    self.replica = replica
    self.data = data
    self.order = order.localSamples(epoch: epoch, shard: replica.shard)
  }

  func begin(epoch: Int) {
    order = order.order.localSamples(epoch: epoch, shard: replica.shard)
  }

  /// Leaves in the replica's arena the shard's part of batch `t`: gradients and loss of its samples,
  /// divided by the count of the global batch.
  func compute(batch t: Int, job: TrainingJob) {
    order.withSamples(ofBatch: t) { samples in
      guard !samples.isEmpty else { return replica.clear() }
      let images = Tensor(uninitialized: Shape([samples.count] + job.inputShape))
      let labels = Tensor(uninitialized: [samples.count], .int64)
      data.gather(
        shard: replica.shard, local: samples, scale: job.pixelScale,
        images: images.pointer(Float.self), labels: labels.pointer(Int64.self))
      replica.differentiate(
        job.loss(replica.module(images), labels, globalCount: order.order.batchCount(t)))
    }
  }
}
