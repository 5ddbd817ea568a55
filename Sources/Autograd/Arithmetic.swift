import Kernels
import TensorCore

extension Tensor {
  /// z = x + y;  dx = dy = dz.
  /// - Precondition: one shape and dtype.
  public static func + (x: Tensor, y: Tensor) -> Tensor {
    record("add", inputs: [x, y], value: Kernels.add(x, y)) { dz in [dz, dz] }
  }

  /// z = x y;  dx = dz y,  dy = dz x.
  /// - Precondition: one shape and dtype.
  public static func * (x: Tensor, y: Tensor) -> Tensor {
    let (xValue, yValue) = (x.value, y.value)
    return record("multiply", inputs: [x, y], value: Kernels.multiply(x, y)) { dz, request in
      [
        request.isNeeded(0) ? Kernels.multiply(dz, yValue) : nil,
        request.isNeeded(1) ? Kernels.multiply(dz, xValue) : nil,
      ]
    }
  }

  /// y = sum of all elements of x;  dx = dy everywhere.
  public func sum() -> Tensor {
    let shape = self.shape
    return record("sum", inputs: [self], value: Kernels.sum(self)) { dy in
      [Kernels.repeated(dy, shape: shape)]
    }
  }

  /// The same elements under another shape;  dx = dy under x's shape.
  /// - Precondition: as many elements.
  public func reshaped(_ newShape: Shape) -> Tensor {
    let shape = self.shape
    return record("reshape", inputs: [self], value: value.viewed(as: newShape)) { dy in
      [dy.viewed(as: shape)]
    }
  }

  /// Axes `startAxis` through `endAxis` as one; negative axes count from the last.
  /// - Precondition: both axes exist, in this order.
  public func flattened(startAxis: Int = 0, endAxis: Int = -1) -> Tensor {
    let first = startAxis < 0 ? startAxis + axisCount : startAxis
    let last = endAxis < 0 ? endAxis + axisCount : endAxis
    require(
      0 <= first && first <= last && last < axisCount,
      "flatten: axes \(startAxis) through \(endAxis) do not exist in shape \(shape)")
    return reshaped(
      Shape(
        Array(shape[..<first]) + [shape[first...last].reduce(1, *)] + Array(shape[(last + 1)...])))
  }
}
