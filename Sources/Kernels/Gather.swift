import System
import Tensors

/// z[..., i, ...] = x[..., index[..., i, ...], ...] along `axis`, PyTorch's `gather`.
/// - index: int64, as many axes as x, extents no larger than x's except along `axis`; entries in -n
///   ..< n, where negative ones count from the end.
/// - Returns: index's shape, x's dtype.
public func gather(_ x: Tensor, axis: Int, index: Tensor, op: String = "gather") -> Tensor {
  let offsets = gatherOffsets(x, axis: axis, index: index, op: op)
  return take(x, offsets, shape: index.shape)
}

/// The gradient of `gather`: zeros of `shape`, to which each element of dy is added at the index it
/// was gathered from, in row-major order of dy.
public func scatterAdd(
  _ dy: Tensor, axis: Int, index: Tensor, shape: Shape, op: String = "gather"
) -> Tensor {
  let dx = Tensor(zeros: shape, dy.dtype)
  let offsets = gatherOffsets(dx, axis: axis, index: index, op: op)
  add(dy, into: dx, offsets)
  return dx
}

/// The slices of x along `axis` at the indices `index`, in its order.
/// - index: [n] int64, entries in -extent ..< extent.
public func indexSelect(_ x: Tensor, axis: Int, index: Tensor) -> Tensor {
  let index = alongAxis(index, axis: axis, of: x.shape)
  return gather(x, axis: axis, index: index, op: "indexSelect")
}

/// The gradient of `indexSelect`: zeros of `shape`, to whose slices the slices of dy are added.
public func indexAdd(_ dy: Tensor, axis: Int, index: Tensor, shape: Shape) -> Tensor {
  let index = alongAxis(index, axis: axis, of: shape)
  return scatterAdd(dy, axis: axis, index: index, shape: shape, op: "indexSelect")
}

/// A list of indices as `gather` takes it: the same list along `axis` for every index of the other
/// axes.
private func alongAxis(_ index: Tensor, axis: Int, of shape: Shape) -> Tensor {
  require(
    index.axisCount == 1, "indexSelect: the indices must be a list, not of shape \(index.shape)")
  var extents = [Int](repeating: 1, count: shape.count)
  extents[axis] = index.elementCount
  var target = Array(shape)
  target[axis] = index.elementCount
  return index.viewed(as: Shape(extents)).broadcastView(to: Shape(target))
}

/// The storage offset in x of every element that `gather` reads.
private func gatherOffsets(_ x: Tensor, axis: Int, index: Tensor, op: String) -> [Int] {
  require(index.dtype == .int64, "\(op): indices must be int64, not \(index.dtype)")
  require(
    index.axisCount == x.axisCount
      && x.shape.indices.allSatisfy { $0 == axis || index.shape[$0] <= x.shape[$0] },
    "\(op): indices of shape \(index.shape) reach outside \(x.shape) beside axis \(axis)")
  let (extent, step) = (x.shape[axis], x.strides[axis])
  // The offsets along the other axes: x's strides, with 0 along `axis`.
  var steps = x.strides
  steps[axis] = 0
  if index.elementCount == 0 { return [] }
  let entries = index.values(Int64.self)
  require(
    extent > 0, "\(op): index \(entries[0]) is out of range: axis \(axis) of \(x.shape) is empty")
  let others = Tensor(
    storage: x.storage, shape: index.shape, strides: steps, offset: x.offset, dtype: x.dtype)
  var offsets: [Int] = []
  offsets.reserveCapacity(entries.count)
  others.forEachOffset { offset in
    let entry = Int(entries[offsets.count])
    require(
      entry >= -extent && entry < extent,
      "\(op): index \(entry) is out of range for axis \(axis) of \(x.shape): "
        + "\(-extent) ..< \(extent)")
    offsets.append(offset + (entry < 0 ? entry + extent : entry) * step)
  }
  return offsets
}

private func take(_ x: Tensor, _ offsets: [Int], shape: Shape) -> Tensor {
  let z = Tensor(uninitialized: shape, x.dtype)
  func copy<Bits: BitwiseCopyable>(_: Bits.Type) {
    let source = x.storage.base.assumingMemoryBound(to: Bits.self)
    let target = z.rawPointer.assumingMemoryBound(to: Bits.self)
    for (i, place) in offsets.enumerated() { target[i] = source[place] }
  }
  switch x.dtype.byteCount {
  case 8: copy(UInt64.self)
  case 4: copy(UInt32.self)
  default: copy(UInt8.self)
  }
  return z
}

private func add(_ dy: Tensor, into dx: Tensor, _ offsets: [Int]) {
  let dy = dy.contiguous()
  func add<T: RealScalar>(_: T.Type) {
    let (source, target) = (dy.pointer(T.self), dx.pointer(T.self))
    for (i, place) in offsets.enumerated() { target[place] += source[i] }
  }
  withReal("scatterAdd", dy.dtype) {
    add(Float.self)
  } _: {
    add(Double.self)
  }
}
