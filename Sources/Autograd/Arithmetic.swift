import Kernels
import TensorCore

/// Undoes broadcasting: the sum of dy over the axes along which an operand of `shape` was repeated.
/// The one place that does.
func unbroadcast(_ dy: Tensor, to shape: Shape) -> Tensor {
  if dy.shape == shape { return dy }
  let added = dy.axisCount - shape.count
  let repeated = dy.shape.indices.filter { axis in
    axis < added || (shape[axis - added] == 1 && dy.shape[axis] != 1)
  }
  return Kernels.reduce(.sum, dy, axes: repeated, keepAxes: true).viewed(as: shape)
}

extension Tensor {
  /// A scalar of this tensor's dtype.
  /// - Precondition: an integer dtype gets a whole number.
  func scalar(_ value: Double) -> Tensor {
    Kernels.converted(Tensor(scalar: value), to: dtype)
  }

  /// z = x + y, broadcast;  dx = dy = dz.
  /// - Precondition: one dtype; shapes that broadcast.
  public static func + (x: Tensor, y: Tensor) -> Tensor {
    let (xShape, yShape) = (x.shape, y.shape)
    return record("add", inputs: [x, y], value: Kernels.apply(.add, x.value, y.value)) { dz in
      [unbroadcast(dz, to: xShape), unbroadcast(dz, to: yShape)]
    }
  }

  /// z = x - y, broadcast;  dx = dz,  dy = -dz.
  public static func - (x: Tensor, y: Tensor) -> Tensor {
    let (xShape, yShape) = (x.shape, y.shape)
    return record("subtract", inputs: [x, y], value: Kernels.apply(.subtract, x.value, y.value)) {
      dz, request in
      [
        unbroadcast(dz, to: xShape),
        request.isNeeded(1) ? unbroadcast(Kernels.apply(.negate, dz), to: yShape) : nil,
      ]
    }
  }

  /// z = x y, broadcast;  dx = dz y,  dy = dz x.
  public static func * (x: Tensor, y: Tensor) -> Tensor {
    let (a, b) = (x.value, y.value)
    return record("multiply", inputs: [x, y], value: Kernels.apply(.multiply, a, b)) {
      dz, request in
      [
        request.isNeeded(0) ? unbroadcast(Kernels.apply(.multiply, dz, b), to: a.shape) : nil,
        request.isNeeded(1) ? unbroadcast(Kernels.apply(.multiply, dz, a), to: b.shape) : nil,
      ]
    }
  }

  /// z = x / y, broadcast;  dx = dz / y,  dy = -dz x / y^2.
  public static func / (x: Tensor, y: Tensor) -> Tensor {
    let (a, b) = (x.value, y.value)
    let z = Kernels.apply(.divide, a, b)
    return record("divide", inputs: [x, y], value: z) { dz, request in
      let dx = Kernels.apply(.divide, dz, b)
      return [
        unbroadcast(dx, to: a.shape),
        request.isNeeded(1)
          ? unbroadcast(
            Kernels.apply(.negate, Kernels.apply(.multiply, dx, z)), to: b.shape) : nil,
      ]
    }
  }

  /// y = -x;  dx = -dy.
  public static prefix func - (x: Tensor) -> Tensor {
    record("negate", inputs: [x], value: Kernels.apply(.negate, x.value)) { dy in
      [Kernels.apply(.negate, dy)]
    }
  }

  public static func + (x: Tensor, y: Double) -> Tensor { x + x.scalar(y) }
  public static func + (x: Double, y: Tensor) -> Tensor { y.scalar(x) + y }
  public static func - (x: Tensor, y: Double) -> Tensor { x - x.scalar(y) }
  public static func - (x: Double, y: Tensor) -> Tensor { y.scalar(x) - y }
  public static func * (x: Tensor, y: Double) -> Tensor { x * x.scalar(y) }
  public static func * (x: Double, y: Tensor) -> Tensor { y.scalar(x) * y }
  public static func / (x: Tensor, y: Double) -> Tensor { x / x.scalar(y) }
  public static func / (x: Double, y: Tensor) -> Tensor { y.scalar(x) / y }

  /// z = x^y, broadcast;  dx = dz y x^(y - 1) (0 where y is 0),  dy = dz z ln x (0 where x and z are
  /// 0, as in PyTorch).
  public func power(_ exponent: Tensor) -> Tensor {
    let (x, y) = (value, exponent.value)
    let z = Kernels.apply(.power, x, y)
    return record("power", inputs: [self, exponent], value: z) { dz, request in
      let (zero, one) = (x.scalar(0), x.scalar(1))
      var gradients: [Tensor?] = [nil, nil]
      if request.isNeeded(0) {
        let lowered = Kernels.apply(.power, x, Kernels.apply(.subtract, y, one))
        let slope = Kernels.apply(.multiply, y, lowered)
        let guarded = Kernels.select(Kernels.compare(.equal, y, zero), zero, slope)
        gradients[0] = unbroadcast(Kernels.apply(.multiply, dz, guarded), to: x.shape)
      }
      if request.isNeeded(1) {
        let slope = Kernels.apply(.multiply, z, Kernels.apply(.elementary(.log), x))
        let guarded = Kernels.select(Kernels.compare(.equal, z, zero), zero, slope)
        gradients[1] = unbroadcast(Kernels.apply(.multiply, dz, guarded), to: y.shape)
      }
      return gradients
    }
  }

  /// x^exponent for one number, element by element;  dx = dy exponent x^(exponent - 1).
  public func power(_ exponent: Double) -> Tensor { power(scalar(exponent)) }

  /// The larger of x and y, broadcast; the gradient goes to the larger, half to each of equals.
  public static func maximum(_ x: Tensor, _ y: Tensor) -> Tensor {
    extremum("maximum", .maximum, .greater, x, y)
  }

  /// The smaller of x and y, broadcast; the gradient goes to the smaller, half to each of equals.
  public static func minimum(_ x: Tensor, _ y: Tensor) -> Tensor {
    extremum("minimum", .minimum, .less, x, y)
  }

  private static func extremum(
    _ name: String, _ operation: BinaryOperation, _ wins: Comparison, _ x: Tensor, _ y: Tensor
  ) -> Tensor {
    let (a, b) = (x.value, y.value)
    return record(name, inputs: [x, y], value: Kernels.apply(operation, a, b)) { dz in
      let zero = dz.scalar(0)
      let half = Kernels.select(
        Kernels.compare(.equal, a, b), Kernels.apply(.multiply, dz, dz.scalar(0.5)), zero)
      func share(_ first: Tensor, _ second: Tensor) -> Tensor {
        let won = Kernels.select(Kernels.compare(wins, first, second), dz, zero)
        return unbroadcast(Kernels.apply(.add, won, half), to: first.shape)
      }
      return [share(a, b), share(b, a)]
    }
  }
}
