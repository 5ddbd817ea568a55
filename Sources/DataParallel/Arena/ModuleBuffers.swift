import Layers
import System
import Tensors

/// The replicated buffers of a network, such as batch norm's running statistics. Every shard begins
/// a step with the same values.
///
/// In a step, each shard updates its own copy. The new value is the mean over the shards that had
/// samples. It is summed in the order of the reduction's tree, so it depends on the number of
/// shards and not on the number of ranks.
package final class ModuleBuffers {
  /// The place of each float32 buffer in an arena.
  package let layout: ArenaLayout
  /// The float32 buffers, [layout.elementCount].
  package let values: Tensor
  /// The int64 buffers, which count batches.
  package let counters: [(name: String, tensor: Tensor)]

  package init(of module: any Module) {
    let buffers = module.namedBuffers
    let floats = buffers.filter { $0.tensor.dtype == .float32 }
    layout = ArenaLayout(floats)
    values = Tensor(zeros: [layout.elementCount])
    for (entry, buffer) in zip(layout.entries, floats) {
      layout.view(entry, in: values).copy(from: buffer.tensor)
    }
    counters = buffers.filter { $0.tensor.dtype == .int64 }.map { ($0.name, $0.tensor.copied()) }
    require(
      floats.count + counters.count == buffers.count,
      "buffers must be float32, or int64 counters: \(buffers.map { ($0.name, $0.tensor.dtype) })")
  }

  package var isEmpty: Bool { layout.entries.isEmpty && counters.isEmpty }

  /// Sets the buffers to the mean of all shards' copies.
  /// - Parameters:
  ///   - sum: [layout.elementCount], the sum over `contributors` shards.
  ///   - contributors: the number of shards that had samples.
  ///   - batchCount: added to the counters: the largest number of batches that a shard computed.
  package func update(sum: UnsafePointer<Float>, contributors: Float, batchCount: Int = 1) {
    let target = values.pointer(Float.self)
    for i in 0..<layout.elementCount { target[i] = sum[i] / contributors }
    for counter in counters { counter.tensor.pointer(Int64.self).pointee += Int64(batchCount) }
  }

  /// All buffers with their names.
  package var named: [(name: String, tensor: Tensor)] {
    layout.entries.map { ($0.name, layout.view($0, in: values)) } + counters
  }
}

extension Tensor {
  /// Copies another tensor's elements.
  /// - Precondition: both are contiguous and have the same shape and dtype.
  func copy(from other: Tensor) {
    require(
      shape == other.shape && dtype == other.dtype && isContiguous && other.isContiguous,
      "copy: \(other.dtype) \(other.shape) into \(dtype) \(shape)")
    storage.markWritten()
    rawPointer.copyMemory(from: other.rawPointer, byteCount: elementCount * dtype.byteCount)
  }
}
