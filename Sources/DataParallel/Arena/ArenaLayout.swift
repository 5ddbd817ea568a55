import Layers
import Tensors

/// Where each parameter lies in the parameter arena, and its gradient in a gradient arena.
///
/// One arena of each means that an optimizer is one loop, that the reduction copies nothing, and
/// that a checkpoint is slices of two buffers.
package struct ArenaLayout: Sendable {
  package struct Entry: Sendable, Equatable {
    package let name: String
    package let shape: Shape
    /// In elements; a multiple of `alignment`.
    package let offset: Int
  }

  /// Elements: 64 bytes of float32, a cache line and an AVX-512 register. The gaps stay zero.
  package static let alignment = 16

  package let entries: [Entry]
  /// With the gaps.
  package let elementCount: Int

  /// Of a network's parameters.
  package init(of module: any Module) {
    self.init(module.namedParameters.map { ($0.name, $0.tensor) })
  }

  init(_ tensors: [(name: String, tensor: Tensor)]) {
    var entries: [Entry] = []
    var next = 0
    for (name, tensor) in tensors {
      entries.append(Entry(name: name, shape: tensor.shape, offset: next))
      let count = tensor.elementCount
      next += (count + ArenaLayout.alignment - 1) / ArenaLayout.alignment * ArenaLayout.alignment
    }
    self.entries = entries
    elementCount = next
  }

  /// The entry that begins there.
  /// - Precondition: there is one.
  func index(ofOffset offset: Int) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].offset < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// A view of `entry` in an arena of this layout.
  package func view(_ entry: Entry, in arena: Tensor) -> Tensor {
    Tensor(
      storage: arena.storage, shape: entry.shape, strides: entry.shape.contiguousStrides,
      offset: arena.offset + entry.offset, dtype: arena.dtype)
  }
}
