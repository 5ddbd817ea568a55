import Kernels
import System
import Tensors

extension Tensor {
  /// The sorted elements along `axis`, and their indices before sorting;  dx = dy at those indices.
  ///
  /// The sort is stable in both directions. NaN is greater than any number.
  /// - Returns: two tensors of x's shape; the indices are int64.
  public func sorted(axis: Int = -1, descending: Bool = false) -> (values: Tensor, indices: Tensor)
  {
    if axisCount == 0 { return (reshaped([] as Shape), Tensor(zeros: [], .int64)) }
    let axis = normalizedAxes([axis], shape, op: "sort")[0]
    let indices = argsort(axis: axis, descending: descending)
    return (gathered("sort", axis: axis, indices), indices)
  }

  /// The indices that sort the elements along `axis`: int64, of x's shape. The sort is stable.
  public func argsort(axis: Int = -1, descending: Bool = false) -> Tensor {
    if axisCount == 0 { return Tensor(zeros: [], .int64) }
    let axis = normalizedAxes([axis], shape, op: "argsort")[0]
    return Kernels.argsort(value, axis: axis, descending: descending)
  }

  /// The `count` largest (or smallest) elements along `axis`, sorted, and their indices;  dx = dy
  /// at those indices. Of equal elements the one with the lower index comes first.
  /// - Precondition: 0 <= count <= the axis's extent.
  public func topk(_ count: Int, axis: Int = -1, largest: Bool = true) -> (
    values: Tensor, indices: Tensor
  ) {
    let axis = normalizedAxes([axis], shape, op: "topk")[0]
    require(
      count >= 0 && count <= shape[axis],
      "topk: \(count) elements of axis \(axis) of shape \(shape)")
    let indices = argsort(axis: axis, descending: largest)
      .slicedView(axis: axis, start: 0, count: count)
    return (gathered("topk", axis: axis, indices), indices)
  }

  /// The distinct elements in ascending order, and the number of times each occurs (int64). No
  /// gradient.
  public func uniqueWithCounts() -> (values: Tensor, counts: Tensor) {
    let order = Kernels.argsort(value.viewed(as: [elementCount]), axis: 0, descending: false)
    let sorted = Kernels.gather(value.viewed(as: [elementCount]), axis: 0, index: order)
    if elementCount == 0 { return (sorted, Tensor(zeros: [0], .int64)) }
    let differs = Kernels.compare(
      .notEqual, sorted.slicedView(axis: 0, start: 1, count: elementCount - 1),
      sorted.slicedView(axis: 0, start: 0, count: elementCount - 1)
    ).values(Bool.self)
    let starts = [0] + differs.indices.filter { differs[$0] }.map { $0 + 1 }
    let ends = starts.dropFirst() + [elementCount]
    return (
      Kernels.gather(sorted, axis: 0, index: Tensor(starts.map { Int64($0) })),
      Tensor(zip(starts, ends).map { Int64($1 - $0) })
    )
  }

  /// y[..., i, ...] = x[..., 0, ...] + ... + x[..., i, ...] along `axis`;  dx = the cumulative sum
  /// of dy from the end. Integers and bool give int64.
  public func cumulativeSum(axis: Int) -> Tensor {
    if axisCount == 0 { return reshaped([1] as Shape).cumulativeSum(axis: 0).reshaped([] as Shape) }
    let axis = normalizedAxes([axis], shape, op: "cumulativeSum")[0]
    let y = Kernels.cumulativeSum(value, axis: axis)
    return record("cumulativeSum", inputs: [self], value: y, saving: []) { dy in
      [Kernels.cumulativeSum(dy, axis: axis, reversed: true)]
    }
  }

  /// The elements in reverse order along `axes`;  dx = dy, reversed.
  public func flipped(axes: [Int]) -> Tensor {
    let axes = normalizedAxes(axes, shape, op: "flip")
    return record(
      "flip", inputs: [self], value: Kernels.flipped(value, axes: axes), saving: []
    ) { dy in [Kernels.flipped(dy, axes: axes)] }
  }

  /// The lower triangle of the last two axes, including the diagonal, and 0 elsewhere;  dx = the
  /// same of dy. `diagonal` moves the diagonal to the right.
  public func tril(diagonal: Int = 0) -> Tensor { triangle("tril", lower: true, diagonal) }

  /// The upper triangle of the last two axes, including the diagonal, and 0 elsewhere;  dx = the
  /// same of dy. `diagonal` moves the diagonal to the right.
  public func triu(diagonal: Int = 0) -> Tensor { triangle("triu", lower: false, diagonal) }

  private func triangle(_ name: String, lower: Bool, _ diagonal: Int) -> Tensor {
    require(axisCount >= 2, "\(name): shape \(shape) has no matrix")
    let y = Kernels.triangle(value, lower: lower, diagonal: diagonal)
    return record(name, inputs: [self], value: y, saving: []) { dy in
      [Kernels.triangle(dy, lower: lower, diagonal: diagonal)]
    }
  }
}
