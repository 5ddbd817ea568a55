import System
import Tensors

/// The operation that reduces the elements along axes.
public enum AxisReduction: String, Sendable {
  case sum, product, maximum, minimum
}

/// `axes` as numbers from 0, in ascending order. Negative axes count from the last; nil means all
/// axes.
/// - Precondition: the axes exist and are distinct; otherwise traps, naming `op`.
public func normalizedAxes(_ axes: [Int]?, _ shape: Shape, op: String) -> [Int] {
  guard let axes else { return Array(0..<shape.count) }
  let all = axes.map { normalizedAxis($0, shape, op: op) }.sorted()
  require(Set(all).count == all.count, "\(op): an axis stands twice in \(axes)")
  return all
}

/// `axis` as a number from 0. Negative axes count from the last.
/// - Precondition: the axis exists; otherwise traps, naming `op`.
public func normalizedAxis(_ axis: Int, _ shape: Shape, op: String) -> Int {
  require(
    axis >= -shape.count && axis < shape.count,
    "\(op): no axis \(axis) in shape \(shape); axes are \(-shape.count) ..< \(shape.count)")
  return axis < 0 ? axis + shape.count : axis
}

/// `shape` without `axes`, or with extent 1 there.
public func reducedShape(_ shape: Shape, _ axes: [Int], keepAxes: Bool) -> Shape {
  Shape(
    shape.indices.compactMap { axis in
      axes.contains(axis) ? (keepAxes ? 1 : nil) : shape[axis]
    })
}

/// x with `axes` moved last, as the rows of a contiguous matrix [kept elements, reduced elements].
func rowsAlong(_ axes: [Int], of x: Tensor) -> (rows: Int, width: Int, values: Tensor) {
  let kept = x.shape.indices.filter { !axes.contains($0) }
  let values = x.permutedView(kept + axes).contiguous()
  return (
    kept.reduce(1) { $0 * x.shape[$1] }, axes.reduce(1) { $0 * x.shape[$1] }, values
  )
}

/// The reduction of x over `axes`. float32 is summed in double; integers sum to int64.
/// - Returns: x's shape without `axes` (or with extent 1 there).
/// - Precondition: at least one element for maximum and minimum.
public func reduce(
  _ reduction: AxisReduction, _ x: Tensor, axes: [Int]? = nil, keepAxes: Bool = false
) -> Tensor {
  let axes = normalizedAxes(axes, x.shape, op: reduction.rawValue)
  let shape = reducedShape(x.shape, axes, keepAxes: keepAxes)
  switch x.dtype {
  case .float32:
    return reduceReal(reduction, x, axes, shape, Float.self)
  case .float64:
    return reduceReal(reduction, x, axes, shape, Double.self)
  case .int64:
    return reduceInteger(reduction, x, axes, shape, Int64.self)
  case .int32, .uint8, .bool:
    let wide = reduceInteger(reduction, converted(x, to: .int64), axes, shape, Int64.self)
    let keepsType = reduction == .maximum || reduction == .minimum
    return keepsType ? converted(wide, to: x.dtype) : wide
  }
}

private func reduceReal<T: RealScalar>(
  _ reduction: AxisReduction, _ x: Tensor, _ axes: [Int], _ shape: Shape, _: T.Type
) -> Tensor {
  switch reduction {
  case .sum: foldRows(x, axes, shape, 0.0, T.self, { $0 + Double($1) }, { T($0) })
  case .product: foldRows(x, axes, shape, 1.0, T.self, { $0 * Double($1) }, { T($0) })
  // NaN is the maximum and the minimum, as in PyTorch.
  case .maximum:
    foldRows(
      nonEmpty(x, axes, reduction), axes, shape, -T.infinity, T.self,
      { $1 != $1 || $1 > $0 ? $1 : $0 }, { $0 })
  case .minimum:
    foldRows(
      nonEmpty(x, axes, reduction), axes, shape, T.infinity, T.self,
      { $1 != $1 || $1 < $0 ? $1 : $0 }, { $0 })
  }
}

private func reduceInteger<T: TensorScalar & FixedWidthInteger>(
  _ reduction: AxisReduction, _ x: Tensor, _ axes: [Int], _ shape: Shape, _: T.Type
) -> Tensor {
  switch reduction {
  case .sum: foldRows(x, axes, shape, 0, T.self, { $0 &+ $1 }, { (v: T) in v })
  case .product: foldRows(x, axes, shape, 1, T.self, { $0 &* $1 }, { (v: T) in v })
  case .maximum:
    foldRows(nonEmpty(x, axes, reduction), axes, shape, T.min, T.self, { max($0, $1) }, { $0 })
  case .minimum:
    foldRows(nonEmpty(x, axes, reduction), axes, shape, T.max, T.self, { min($0, $1) }, { $0 })
  }
}

private func nonEmpty(_ x: Tensor, _ axes: [Int], _ reduction: AxisReduction) -> Tensor {
  require(
    axes.allSatisfy { x.shape[$0] > 0 },
    "\(reduction.rawValue): shape \(x.shape) has no elements along axes \(axes)")
  return x
}

@inline(__always)
private func foldRows<T: TensorScalar, Sum, U: TensorScalar>(
  _ x: Tensor, _ axes: [Int], _ shape: Shape, _ start: Sum, _: T.Type,
  _ combine: (Sum, T) -> Sum, _ finish: (Sum) -> U
) -> Tensor {
  let (rows, width, values) = rowsAlong(axes, of: x)
  let y = Tensor(uninitialized: shape, U.dtype)
  let (source, target) = (values.pointer(T.self), y.pointer(U.self))
  for row in 0..<rows {
    var sum = start
    for i in row * width..<(row + 1) * width { sum = combine(sum, source[i]) }
    target[row] = finish(sum)
  }
  return y
}

/// The index of the largest (or smallest) element along `axis`, the first of equal ones. NaN comes
/// before numbers.
/// - Returns: int64, x's shape without `axis` (or with extent 1 there).
public func argumentOf(
  _ reduction: AxisReduction, _ x: Tensor, axis: Int, keepAxes: Bool = false
) -> Tensor {
  require(
    reduction == .maximum || reduction == .minimum,
    "there is no argument of a \(reduction.rawValue)")
  let axes = normalizedAxes([axis], x.shape, op: reduction == .maximum ? "argmax" : "argmin")
  _ = nonEmpty(x, axes, reduction)
  let shape = reducedShape(x.shape, axes, keepAxes: keepAxes)
  let largest = reduction == .maximum
  switch x.dtype {
  case .float32: return argument(x, axes, shape, largest, Float.self)
  case .float64: return argument(x, axes, shape, largest, Double.self)
  default: return argument(converted(x, to: .int64), axes, shape, largest, Int64.self)
  }
}

private func argument<T: TensorScalar & Comparable>(
  _ x: Tensor, _ axes: [Int], _ shape: Shape, _ largest: Bool, _: T.Type
) -> Tensor {
  let (rows, width, values) = rowsAlong(axes, of: x)
  let y = Tensor(uninitialized: shape, .int64)
  let (source, target) = (values.pointer(T.self), y.pointer(Int64.self))
  for row in 0..<rows {
    let elements = source + row * width
    var best = 0
    for i in 1..<max(width, 1) {
      let isNaNFirst = elements[i] != elements[i] && elements[best] == elements[best]
      let isBetter = largest ? elements[i] > elements[best] : elements[i] < elements[best]
      if isBetter || isNaNFirst { best = i }
    }
    target[row] = Int64(best)
  }
  return y
}

/// For each element of x, the product of the other elements in its group along `axes`. It is also
/// correct where elements are 0, unlike dividing the product of all.
public func productsOfOthers(_ x: Tensor, axes: [Int]) -> Tensor {
  let axes = normalizedAxes(axes, x.shape, op: "product")
  let (rows, width, values) = rowsAlong(axes, of: converted(x, to: .float64))
  let y = Tensor(uninitialized: values.shape, .float64)
  let (source, target) = (values.pointer(Double.self), y.pointer(Double.self))
  for row in 0..<rows {
    let (elements, products) = (source + row * width, target + row * width)
    var before = 1.0
    for i in 0..<width {
      products[i] = before
      before *= elements[i]
    }
    var after = 1.0
    for i in stride(from: width - 1, through: 0, by: -1) {
      products[i] *= after
      after *= elements[i]
    }
  }
  // Moves the reduced axes from the end back to their order in x.
  let order = x.shape.indices.filter { !axes.contains($0) } + axes
  let inverse = order.indices.map { axis in order.firstIndex(of: axis)! }
  return converted(y.permutedView(inverse).contiguous(), to: x.dtype)
}
