import Kernels
import System
import Tensors

/// An argument of the subscript `x[...]`, which has one for each axis from the first on: an index,
/// which removes the axis (negative ones count from the end), a range of indices, or `Every()`.
public protocol TensorIndex {
  /// The selected indices of an axis with `extent`; `keepsAxis` is false for a single index.
  func resolved(extent: Int, axis: Int, shape: Shape) -> (range: Range<Int>, keepsAxis: Bool)
}

extension Int: TensorIndex {
  public func resolved(extent: Int, axis: Int, shape: Shape) -> (range: Range<Int>, keepsAxis: Bool)
  {
    require(
      self >= -extent && self < extent,
      "index \(self) is out of range for axis \(axis) of shape \(shape): \(-extent) ..< \(extent)")
    let index = self < 0 ? self + extent : self
    return (index..<index + 1, false)
  }
}

extension TensorIndex where Self: RangeExpression, Bound == Int {
  public func resolved(extent: Int, axis: Int, shape: Shape) -> (range: Range<Int>, keepsAxis: Bool)
  {
    let bounds = relative(to: Int.min..<Int.max)  // min or max: an open end
    let start = bounds.lowerBound == .min ? 0 : bounds.lowerBound
    let end = bounds.upperBound == .max ? extent : bounds.upperBound
    require(
      start >= 0 && start <= end && end <= extent,
      "slice \(self) is out of range for axis \(axis) of shape \(shape)")
    return (start..<end, true)
  }
}

extension Range: TensorIndex where Bound == Int {}
extension ClosedRange: TensorIndex where Bound == Int {}
extension PartialRangeFrom: TensorIndex where Bound == Int {}
extension PartialRangeUpTo: TensorIndex where Bound == Int {}
extension PartialRangeThrough: TensorIndex where Bound == Int {}

/// All indices of an axis; PyTorch's `:`.
public struct Every: TensorIndex {
  public init() {}
  public func resolved(extent: Int, axis: Int, shape: Shape) -> (range: Range<Int>, keepsAxis: Bool)
  {
    (0..<extent, true)
  }
}

extension Tensor {
  /// A view of a part of the tensor: `x[3]`, `x[1..<4]`, `x[Every(), -1]`, `x[..<2, 0, 1...]`;
  /// dx = dy inside the part, else 0. Axes without an index are kept whole.
  /// - Precondition: at most as many indices as axes, all within their axes.
  public subscript(_ indices: any TensorIndex...) -> Tensor {
    require(
      indices.count <= axisCount,
      "\(indices.count) indices for a tensor of shape \(shape), which has \(axisCount) axes")
    let shape = self.shape
    let parts = indices.enumerated().map { axis, index in
      index.resolved(extent: shape[axis], axis: axis, shape: shape)
    }
    func part(of x: Tensor) -> Tensor {
      parts.enumerated().reduce(x) { view, part in
        let (axis, range) = (part.offset, part.element.range)
        return view.slicedView(axis: axis, start: range.lowerBound, count: range.count)
      }
    }
    let view = part(of: value)
    let kept = view.shape.indices.filter { $0 >= parts.count || parts[$0].keepsAxis }
    var steps = Strides(axisCount: kept.count)
    for (i, axis) in kept.enumerated() { steps[i] = view.strides[axis] }
    let result = Tensor(
      storage: view.storage, shape: Shape(kept.map { view.shape[$0] }), strides: steps,
      offset: view.offset, dtype: dtype)
    let (partShape, dtype) = (view.shape, self.dtype)
    return record("slice", inputs: [self], value: result, saving: []) { dy in
      let dx = Tensor(zeros: shape, dtype)
      part(of: dx).overwrite(with: dy.viewed(as: partShape))
      return [dx]
    }
  }

  /// A view of every `step`-th index of `range` along `axis`;  dx = dy there, else 0.
  /// - Precondition: the range is within the axis; `step` is positive.
  public func slice(axis: Int, _ range: Range<Int>, step: Int = 1) -> Tensor {
    let shape = self.shape
    let axis = normalizedAxes([axis], shape, op: "slice")[0]
    require(step > 0, "slice: the step must be positive, not \(step); use flipped to go back")
    require(
      range.lowerBound >= 0 && range.upperBound <= shape[axis],
      "slice \(range) is out of range for axis \(axis) of shape \(shape)")
    let count = (range.count + step - 1) / step
    let view = value.slicedView(axis: axis, start: range.lowerBound, count: count, step: step)
    let dtype = self.dtype
    return record("slice", inputs: [self], value: view, saving: []) { dy in
      let dx = Tensor(zeros: shape, dtype)
      dx.slicedView(axis: axis, start: range.lowerBound, count: count, step: step)
        .overwrite(with: dy)
      return [dx]
    }
  }

  /// A view of `count` indices of `axis`, starting at `start`.
  public func narrow(axis: Int, start: Int, count: Int) -> Tensor {
    require(
      count >= 0, "narrow: \(count) indices from \(start) along axis \(axis) of shape \(shape)")
    return slice(axis: axis, start..<start + count)
  }
}
