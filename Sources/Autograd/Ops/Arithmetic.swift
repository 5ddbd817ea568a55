import Kernels
import System
import Tensors

/// Undoes broadcasting: sums dy over the axes along which an operand of `shape` was repeated. The
/// only function that does so.
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
  /// - Precondition: a whole number for an integer dtype. Truncating 0.5 to 0 would be a silent
  ///   error.
  func scalar(_ value: Double) -> Tensor {
    require(
      dtype.isFloatingPoint || value == value.rounded(),
      "\(value) is no whole number beside a tensor of \(dtype); convert it with to(.float32)")
    return Kernels.converted(Tensor(scalar: value), to: dtype)
  }

  /// z = x + y, broadcast;  dx = dy = dz.
  /// - Precondition: same dtype; shapes that broadcast.
  public static func + (x: Tensor, y: Tensor) -> Tensor {
    let (xShape, yShape) = (x.shape, y.shape)
    let z = Kernels.apply(.add, x.value, y.value)
    return record("add", inputs: [x, y], value: z, saving: []) { dz in
      [unbroadcast(dz, to: xShape), unbroadcast(dz, to: yShape)]
    }
  }

  /// z = x - y, broadcast;  dx = dz,  dy = -dz.
  public static func - (x: Tensor, y: Tensor) -> Tensor {
    let (xShape, yShape) = (x.shape, y.shape)
    let z = Kernels.apply(.subtract, x.value, y.value)
    return record("subtract", inputs: [x, y], value: z, saving: []) { dz, request in
      [
        unbroadcast(dz, to: xShape),
        request.isNeeded(1) ? unbroadcast(Kernels.apply(.negate, dz), to: yShape) : nil,
      ]
    }
  }

  /// z = x y, broadcast;  dx = dz y,  dy = dz x.
  public static func * (x: Tensor, y: Tensor) -> Tensor {
    let (xShape, yShape) = (x.shape, y.shape)
    let z = Kernels.apply(.multiply, x.value, y.value)
    // An operand is saved only if the gradient of the other is needed.
    let (a, b) = (y.requiresGrad ? x.value : nil, x.requiresGrad ? y.value : nil)
    return record("multiply", inputs: [x, y], value: z, saving: [a, b].compactMap { $0 }) { dz in
      [
        b.map { unbroadcast(Kernels.apply(.multiply, dz, $0), to: xShape) },
        a.map { unbroadcast(Kernels.apply(.multiply, dz, $0), to: yShape) },
      ]
    }
  }

  /// z = x / y, broadcast;  dx = dz / y,  dy = -dz x / y^2. Integers and bool give float32, as in
  /// PyTorch: 1 / 2 is 0.5.
  public static func / (x: Tensor, y: Tensor) -> Tensor {
    if !x.dtype.isFloatingPoint && x.dtype == y.dtype { return x.to(.float32) / y.to(.float32) }
    let b = y.value
    let z = Kernels.apply(.divide, x.value, b)
    let xShape = x.shape
    let quotient = y.requiresGrad ? z : nil
    return record(
      "divide", inputs: [x, y], value: z, saving: [b] + (quotient.map { [$0] } ?? [])
    ) { dz, request in
      let dx = Kernels.apply(.divide, dz, b)
      return [
        request.isNeeded(0) ? unbroadcast(dx, to: xShape) : nil,
        quotient.map {
          unbroadcast(Kernels.apply(.negate, Kernels.apply(.multiply, dx, $0)), to: b.shape)
        },
      ]
    }
  }

  /// y = -x;  dx = -dy.
  public static prefix func - (x: Tensor) -> Tensor {
    record("negate", inputs: [x], value: Kernels.apply(.negate, x.value), saving: []) {
      dy in
      [Kernels.apply(.negate, dy)]
    }
  }

  public static func + (x: Tensor, y: Double) -> Tensor { x + x.scalar(y) }
  public static func + (x: Double, y: Tensor) -> Tensor { y.scalar(x) + y }
  public static func - (x: Tensor, y: Double) -> Tensor { x - x.scalar(y) }
  public static func - (x: Double, y: Tensor) -> Tensor { y.scalar(x) - y }
  public static func * (x: Tensor, y: Double) -> Tensor { x * x.scalar(y) }
  public static func * (x: Double, y: Tensor) -> Tensor { y.scalar(x) * y }
  public static func / (x: Tensor, y: Double) -> Tensor {
    let x = x.dtype.isFloatingPoint ? x : x.to(.float32)
    return x / x.scalar(y)
  }
  public static func / (x: Double, y: Tensor) -> Tensor {
    let y = y.dtype.isFloatingPoint ? y : y.to(.float32)
    return y.scalar(x) / y
  }

  /// z = x^y, broadcast;  dx = dz y x^(y - 1) (0 where y is 0),  dy = dz z ln x (0 where x is 0 and
  /// y is not negative, as in PyTorch).
  public func power(_ exponent: Tensor) -> Tensor {
    let (x, y) = (value, exponent.value)
    let z = Kernels.apply(.power, x, y)
    return record("power", inputs: [self, exponent], value: z, saving: [x, y, z]) { dz, request in
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
        // 0 only where both conditions hold.
        let fromZero = Kernels.select(Kernels.compare(.equal, x, zero), zero, slope)
        let guarded = Kernels.select(Kernels.compare(.greaterOrEqual, y, zero), fromZero, slope)
        gradients[1] = unbroadcast(Kernels.apply(.multiply, dz, guarded), to: y.shape)
      }
      return gradients
    }
  }

  /// x^exponent element by element, with one exponent for all;  dx = dy exponent x^(exponent - 1).
  public func power(_ exponent: Double) -> Tensor { power(scalar(exponent)) }

  /// The larger of x and y, broadcast. The gradient flows to the larger one, or half to each if
  /// they are equal.
  public static func maximum(_ x: Tensor, _ y: Tensor) -> Tensor {
    extremum("maximum", .maximum, rejecting: .less, x, y)
  }

  /// The smaller of x and y, broadcast. The gradient flows to the smaller one, or half to each if
  /// they are equal.
  public static func minimum(_ x: Tensor, _ y: Tensor) -> Tensor {
    extremum("minimum", .minimum, rejecting: .greater, x, y)
  }

  /// - rejected: holds where the first of two operands is not the result.
  private static func extremum(
    _ name: String, _ operation: BinaryOperation, rejecting rejected: Comparison, _ x: Tensor,
    _ y: Tensor
  ) -> Tensor {
    let (a, b) = (x.value, y.value)
    return record(name, inputs: [x, y], value: Kernels.apply(operation, a, b), saving: [a, b]) {
      dz in
      let half = Kernels.apply(.multiply, dz, dz.scalar(0.5))
      let shared = Kernels.select(Kernels.compare(.equal, a, b), half, dz)
      func share(_ first: Tensor, _ second: Tensor) -> Tensor {
        let isRejected = Kernels.compare(rejected, first, second)
        return unbroadcast(Kernels.select(isRejected, dz.scalar(0), shared), to: first.shape)
      }
      return [share(a, b), share(b, a)]
    }
  }
}
