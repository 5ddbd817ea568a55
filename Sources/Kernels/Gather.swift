import System
import Tensors

/// z[..., i, ...] = x[..., index[..., i, ...], ...] along `axis`, PyTorch's `gather`.
/// - index: int64, as many axes as x, extents no larger than x's but along `axis`; entries in
///   -n ..< n, the negative ones counted from the end.
/// - Returns: index's shape, x's dtype.
public func gather(_ x: Tensor, axis: Int, index: Tensor, op: String = "gather") -> Tensor {
  let places = gatherPlaces(x, axis: axis, index: index, op: op)
  return take(x, places, shape: index.shape)
}

/// The reverse of `gather`: zeros of `shape` to which dy's elements are added where they came from,
/// in row-major order of dy.
public func scatterAdd(
  _ dy: Tensor, axis: Int, index: Tensor, shape: Shape, op: String = "gather"
) -> Tensor {
  let dx = Tensor(zeros: shape, dy.dtype)
  let places = gatherPlaces(dx, axis: axis, index: index, op: op)
  add(dy, into: dx, places)
  return dx
}

/// The slices of x along `axis` that `index` names, in its order.
/// - index: [n] int64, entries in -extent ..< extent.
public func indexSelect(_ x: Tensor, axis: Int, index: Tensor) -> Tensor {
  let index = alongAxis(index, axis: axis, of: x.shape)
  return gather(x, axis: axis, index: index, op: "indexSelect")
}

/// The reverse of `indexSelect`: zeros of `shape` to whose slices dy's are added.
public func indexAdd(_ dy: Tensor, axis: Int, index: Tensor, shape: Shape) -> Tensor {
  let index = alongAxis(index, axis: axis, of: shape)
  return scatterAdd(dy, axis: axis, index: index, shape: shape, op: "indexSelect")
}

/// A list of indices as gather takes it: the same ones along `axis` for all other indices.
private func alongAxis(_ index: Tensor, axis: Int, of shape: Shape) -> Tensor {
  require(
    index.axisCount == 1, "indexSelect: the indices must be a list, not of shape \(index.shape)")
  var extents = [Int](repeating: 1, count: shape.count)
  extents[axis] = index.elementCount
  var target = Array(shape)
  target[axis] = index.elementCount
  return index.viewed(as: Shape(extents)).broadcastView(to: Shape(target))
}

/// The storage index in x of every element that `gather` takes.
private func gatherPlaces(_ x: Tensor, axis: Int, index: Tensor, op: String) -> [Int] {
  require(index.dtype == .int64, "\(op): indices must be int64, not \(index.dtype)")
  require(
    index.axisCount == x.axisCount
      && x.shape.indices.allSatisfy { $0 == axis || index.shape[$0] <= x.shape[$0] },
    "\(op): indices of shape \(index.shape) reach outside \(x.shape) beside axis \(axis)")
  let (extent, step) = (x.shape[axis], x.strides[axis])
  // Where the other axes lead: x's strides, but none along `axis`.
  var steps = x.strides
  steps[axis] = 0
  if index.elementCount == 0 { return [] }
  let entries = index.values(Int64.self)
  require(
    extent > 0, "\(op): index \(entries[0]) is out of range: axis \(axis) of \(x.shape) is empty")
  let others = Tensor(
    storage: x.storage, shape: index.shape, strides: steps, offset: x.offset, dtype: x.dtype)
  var places: [Int] = []
  places.reserveCapacity(entries.count)
  others.forEachOffset { offset in
    let entry = Int(entries[places.count])
    require(
      entry >= -extent && entry < extent,
      "\(op): index \(entry) is out of range for axis \(axis) of \(x.shape): "
        + "\(-extent) ..< \(extent)")
    places.append(offset + (entry < 0 ? entry + extent : entry) * step)
  }
  return places
}

private func take(_ x: Tensor, _ places: [Int], shape: Shape) -> Tensor {
  let z = Tensor(uninitialized: shape, x.dtype)
  func copy<Bits: BitwiseCopyable>(_: Bits.Type) {
    let source = x.storage.base.assumingMemoryBound(to: Bits.self)
    let target = z.rawPointer.assumingMemoryBound(to: Bits.self)
    for (i, place) in places.enumerated() { target[i] = source[place] }
  }
  switch x.dtype.byteCount {
  case 8: copy(UInt64.self)
  case 4: copy(UInt32.self)
  default: copy(UInt8.self)
  }
  return z
}

private func add(_ dy: Tensor, into dx: Tensor, _ places: [Int]) {
  let dy = dy.contiguous()
  func add<T: RealScalar>(_: T.Type) {
    let (source, target) = (dy.pointer(T.self), dx.pointer(T.self))
    for (i, place) in places.enumerated() { target[place] += source[i] }
  }
  withReal("scatterAdd", dy.dtype) {
    add(Float.self)
  } _: {
    add(Double.self)
  }
}
