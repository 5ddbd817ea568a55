import System
import Tensors

/// The shape that two shapes broadcast to: aligned at the last axis, extents equal or one of them
/// 1.
/// - Precondition: they broadcast; otherwise traps, naming `op` and both shapes.
public func broadcastShape(_ a: Shape, _ b: Shape, op: String) -> Shape {
  if a == b { return a }
  let count = max(a.count, b.count)
  let extents = (0..<count).map { axis -> Int in
    let x = axis < count - a.count ? 1 : a[axis - (count - a.count)]
    let y = axis < count - b.count ? 1 : b[axis - (count - b.count)]
    require(
      x == y || x == 1 || y == 1,
      "\(op): shapes \(a) and \(b) do not broadcast: axis \(axis) has extents \(x) and \(y)")
    return x == 1 ? y : x
  }
  return Shape(extents)
}

extension Tensor {
  /// A view with a shape that this tensor broadcasts to: the stride is 0 along repeated axes. It is
  /// not recorded for gradients, and must not be written.
  package func broadcastView(to target: Shape) -> Tensor {
    if shape == target { return self }
    require(axisCount <= target.count, "expand: shape \(shape) does not broadcast to \(target)")
    let added = target.count - axisCount
    var steps = Strides(axisCount: target.count)
    for axis in 0..<axisCount {
      require(
        shape[axis] == target[axis + added] || shape[axis] == 1,
        "expand: shape \(shape) does not broadcast to \(target)")
      steps[axis + added] = shape[axis] == 1 && target[axis + added] != 1 ? 0 : strides[axis]
    }
    return Tensor(storage: storage, shape: target, strides: steps, offset: offset, dtype: dtype)
  }
}
