import System
import Tensors

/// Memory for a result, with guards before and after it that no kernel may write.
struct Guarded {
  private static let mark: Float = -77.25
  let tensor: Tensor

  /// float32, filled with NaN, `offset` elements after the start of a cache line.
  init(_ shape: Shape, at offset: Int = 0) {
    let count = shape.elementCount
    let all = Tensor(
      [Float](repeating: Guarded.mark, count: offset + count + 16), shape: [offset + count + 16])
    tensor = Tensor(
      storage: all.storage, shape: shape, strides: shape.contiguousStrides, offset: offset,
      dtype: .float32)
    tensor.pointer(Float.self).update(repeating: .nan, count: count)
  }

  var guardsAreIntact: Bool {
    let all = UnsafeBufferPointer(
      start: tensor.storage.base.assumingMemoryBound(to: Float.self),
      count: tensor.offset + tensor.elementCount + 16)
    return all.indices.allSatisfy {
      (tensor.offset..<tensor.offset + tensor.elementCount).contains($0) || all[$0] == Guarded.mark
    }
  }
}

/// `values` as a vector, `offset` elements after the start of a cache line.
func unaligned(_ values: [Float], by offset: Int) -> Tensor {
  let result = Guarded([values.count], at: offset).tensor
  values.withUnsafeBufferPointer {
    if let base = $0.baseAddress {
      result.pointer(Float.self).update(from: base, count: values.count)
    }
  }
  return result
}
