import Layers
import System
import Tensors

/// The replicated buffers of a network, such as batch norm's running statistics: what every shard
/// begins a step with, and what all of them made of it.
///
/// Each shard updates a copy of its own. The new value is the mean over the shards that had samples,
/// added up by the reduction's tree: a function of the number of shards, not of ranks.
package final class ModuleBuffers {
  /// Where each float32 buffer lies in an arena.
  package let layout: ArenaLayout
  /// float32, [layout.elementCount].
  package let values: Tensor
  /// int64: how many batches were seen.
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

  /// Takes in the sum over all shards.
  /// - Parameters:
  ///   - sum: [layout.elementCount], of as many shards as `contributors`.
  ///   - batchCount: what the counters grow by: how many batches the shard that saw the most has seen.
  package func update(sum: UnsafePointer<Float>, contributors: Float, batchCount: Int = 1) {
    let target = values.pointer(Float.self)
    for i in 0..<layout.elementCount { target[i] = sum[i] / contributors }
    for counter in counters { counter.tensor.pointer(Int64.self).pointee += Int64(batchCount) }
  }

  /// All by name.
  package var named: [(name: String, tensor: Tensor)] {
    layout.entries.map { ($0.name, layout.view($0, in: values)) } + counters
  }
}

extension Tensor {
  /// Copies another tensor's elements.
  /// - Precondition: both contiguous, of one shape and dtype.
  func copy(from other: Tensor) {
    require(
      shape == other.shape && dtype == other.dtype && isContiguous && other.isContiguous,
      "copy: \(other.dtype) \(other.shape) into \(dtype) \(shape)")
    storage.markWritten()
    rawPointer.copyMemory(from: other.rawPointer, byteCount: elementCount * dtype.byteCount)
  }
}
