import Kernels
import System
import Tensors

extension Tensor {
  /// The same elements in another shape;  dx = dy in x's shape. At most one extent may be -1; it is
  /// computed from the others.
  /// - Precondition: the new shape has the same number of elements.
  public func reshaped(_ extents: [Int]) -> Tensor {
    let known = extents.filter { $0 != -1 }.reduce(1, *)
    require(
      extents.filter { $0 == -1 }.count <= 1,
      "reshape: \(extents) leaves more than one extent open")
    guard let open = extents.firstIndex(of: -1) else { return reshaped(Shape(extents)) }
    require(
      known > 0 && elementCount % known == 0,
      "reshape: shape \(shape) with \(elementCount) elements does not fill \(extents)")
    var whole = extents
    whole[open] = elementCount / known
    return reshaped(Shape(whole))
  }

  /// The same elements in another shape;  dx = dy in x's shape.
  /// - Precondition: the new shape has the same number of elements.
  public func reshaped(_ newShape: Shape) -> Tensor {
    let shape = self.shape
    return record(
      "reshape", input: self, value: value.viewed(as: newShape), saving: []
    ) { dy in dy.viewed(as: shape) }
  }

  /// Axes `startAxis` through `endAxis` merged into one; negative axes count from the last.
  /// - Precondition: both axes exist, in this order.
  public func flattened(startAxis: Int = 0, endAxis: Int = -1) -> Tensor {
    if axisCount == 0 { return reshaped([1] as Shape) }
    let first = startAxis < 0 ? startAxis + axisCount : startAxis
    let last = endAxis < 0 ? endAxis + axisCount : endAxis
    require(
      0 <= first && first <= last && last < axisCount,
      "flatten: axes \(startAxis) through \(endAxis) do not exist in shape \(shape)")
    return reshaped(shape.joining(first...last))
  }

  /// The axes in another order: axis i of the result is axis `order[i]`;  dx = dy in x's order.
  /// - Precondition: `order` contains every axis exactly once.
  public func permuted(_ order: [Int]) -> Tensor {
    let axes = order.map { $0 < 0 ? $0 + axisCount : $0 }
    let view = value.permutedView(axes)
    return record("permute", inputs: [self], value: view, saving: []) { dy in
      [dy.permutedView(axes.indices.map { axes.firstIndex(of: $0)! })]
    }
  }

  /// The tensor with two axes swapped;  dx = dy with the axes swapped back.
  public func transposed(_ first: Int = -2, _ second: Int = -1) -> Tensor {
    let first = normalizedAxis(first, shape, op: "transpose")
    let second = normalizedAxis(second, shape, op: "transpose")
    return record(
      "permute", input: self, value: value.transposedView(first, second), saving: []
    ) { dy in dy.transposedView(first, second) }
  }

  /// The tensor without its axes of extent 1: all such axes, or only those in `axes`.
  public func squeezed(axes: [Int]? = nil) -> Tensor {
    let axes = normalizedAxes(axes, shape, op: "squeeze").filter { shape[$0] == 1 }
    return reshaped(reducedShape(shape, axes, keepAxes: false))
  }

  /// The tensor with a new axis of extent 1, which is axis `axis` of the result. Negative numbers
  /// count from the end of the result.
  public func unsqueezed(_ axis: Int) -> Tensor {
    let index = axis < 0 ? axis + axisCount + 1 : axis
    require(
      index >= 0 && index <= axisCount, "unsqueeze: no place for axis \(axis) in shape \(shape)")
    var extents = Array(shape)
    extents.insert(1, at: index)
    return reshaped(Shape(extents))
  }

  /// The tensor broadcast to `target` without a copy: repeated along axes of extent 1 and along new
  /// axes in front;  dx = the sum of dy over these axes.
  public func expanded(to target: Shape) -> Tensor {
    let shape = self.shape
    return record(
      "expand", inputs: [self], value: value.broadcastView(to: target), saving: []
    ) { dy in [unbroadcast(dy, to: shape)] }
  }

  /// The values converted to another dtype;  dx = dy converted to x's dtype.
  public func to(_ target: DType) -> Tensor {
    if dtype == target { return self }
    let dtype = self.dtype
    let converted = Kernels.converted(value, to: target)
    guard target.isFloatingPoint else { return converted }
    return record("to", inputs: [self], value: converted, saving: []) { dy in
      [Kernels.converted(dy, to: dtype)]
    }
  }

  /// A view of the same memory without history: no gradient flows through it. It is a separate
  /// tensor: setting its `requiresGrad` does not change this one.
  public func detached() -> Tensor {
    Tensor(storage: storage, shape: shape, strides: strides, offset: offset, dtype: dtype)
  }
}
