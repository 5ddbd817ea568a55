import Layers
import System
import Tensors

/// The place of each parameter in the parameter arena, and of its gradient in a gradient arena. An
/// arena is one buffer that holds many tensors.
///
/// With one arena for all parameters and one for all gradients, an optimizer is one loop, the
/// reduction copies nothing, and a checkpoint is slices of two buffers.
package struct ArenaLayout: Sendable {
  package struct Entry: Sendable, Equatable {
    package let name: String
    package let shape: Shape
    /// In elements; a multiple of a cache line's (`CacheLine.floatCount`).
    package let offset: Int
  }

  package let entries: [Entry]
  /// With the gaps between entries, which stay zero.
  package let elementCount: Int

  /// The layout of a network's parameters, in their order.
  package init(of module: any Module) {
    self.init(module.namedParameters.map { ($0.name, $0.tensor) })
  }

  init(_ tensors: [(name: String, tensor: Tensor)]) {
    var entries: [Entry] = []
    var next = 0
    for (name, tensor) in tensors {
      entries.append(Entry(name: name, shape: tensor.shape, offset: next))
      next += CacheLine.roundedUp(floatCount: tensor.elementCount)
    }
    self.entries = entries
    elementCount = next
  }

  /// The index of the entry at `offset`.
  /// - Precondition: an entry begins there.
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
