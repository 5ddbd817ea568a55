import Kernels
import System
import Tensors

extension Tensor {
  /// Repeats dy, which has one element for each group reduced over `axes`, to x's shape.
  private static func repeated(_ dy: Tensor, over axes: [Int], of shape: Shape) -> Tensor {
    dy.viewed(as: reducedShape(shape, axes, keepAxes: true)).broadcastView(to: shape)
  }

  /// The sum over `axes` (negative ones count from the last; nil: all);  dx = dy, repeated.
  /// - Returns: the shape of x without those axes, or with extent 1 there if `keepAxes`. int64 for
  ///   integers and bool.
  public func sum(axes: [Int]? = nil, keepAxes: Bool = false) -> Tensor {
    let (shape, axes) = (self.shape, normalizedAxes(axes, self.shape, op: "sum"))
    let y = Kernels.reduce(.sum, value, axes: axes, keepAxes: keepAxes)
    return record("sum", inputs: [self], value: y, saving: []) { dy in
      [Tensor.repeated(dy, over: axes, of: shape)]
    }
  }

  /// The mean over `axes`;  dx = dy / n, repeated, where n elements are reduced to one.
  public func mean(axes: [Int]? = nil, keepAxes: Bool = false) -> Tensor {
    require(dtype.isFloatingPoint, "mean: needs float32 or float64, not \(dtype); convert it first")
    let axes = normalizedAxes(axes, shape, op: "mean")
    let shape = self.shape
    let count = scalar(Double(axes.reduce(1) { $0 * shape[$1] }))
    let y = Kernels.apply(
      .divide, Kernels.reduce(.sum, value, axes: axes, keepAxes: keepAxes), count)
    return record("mean", inputs: [self], value: y, saving: []) { dy in
      [Tensor.repeated(Kernels.apply(.divide, dy, count), over: axes, of: shape)]
    }
  }

  /// The product over `axes`;  dx = dy times the product of the other elements.
  public func product(axes: [Int]? = nil, keepAxes: Bool = false) -> Tensor {
    let x = value
    let axes = normalizedAxes(axes, shape, op: "product")
    let y = Kernels.reduce(.product, x, axes: axes, keepAxes: keepAxes)
    return record("product", inputs: [self], value: y, saving: [x]) { dy in
      // Not y / x, which is NaN where x is 0.
      let others = Kernels.productsOfOthers(x, axes: axes)
      return [Kernels.apply(.multiply, Tensor.repeated(dy, over: axes, of: x.shape), others)]
    }
  }

  /// The largest element over `axes`;  dx = dy, divided evenly between equal largest elements.
  public func max(axes: [Int]? = nil, keepAxes: Bool = false) -> Tensor {
    extremum("max", .maximum, axes, keepAxes)
  }

  /// The smallest element over `axes`;  dx = dy, divided evenly between equal smallest elements.
  public func min(axes: [Int]? = nil, keepAxes: Bool = false) -> Tensor {
    extremum("min", .minimum, axes, keepAxes)
  }

  private func extremum(
    _ name: String, _ reduction: AxisReduction, _ axes: [Int]?, _ keepAxes: Bool
  ) -> Tensor {
    let (x, axes) = (value, normalizedAxes(axes, shape, op: name))
    let y = Kernels.reduce(reduction, x, axes: axes, keepAxes: keepAxes)
    return record(name, inputs: [self], value: y, saving: [x, y]) { dy in
      let isChosen = Kernels.compare(.equal, x, Tensor.repeated(y, over: axes, of: x.shape))
      let mask = Kernels.converted(isChosen, to: x.dtype)
      let count = Kernels.reduce(.sum, mask, axes: axes, keepAxes: true)
      let share = Kernels.apply(.divide, dy.viewed(as: count.shape), count)
      return [Kernels.apply(.multiply, mask, share)]
    }
  }

  /// The index of the largest element along `axis`, or of the first one of equal elements: int64.
  public func argmax(axis: Int, keepAxis: Bool = false) -> Tensor {
    Kernels.argumentOf(.maximum, value, axis: axis, keepAxes: keepAxis)
  }

  /// The index of the smallest element along `axis`, or of the first one of equal elements: int64.
  public func argmin(axis: Int, keepAxis: Bool = false) -> Tensor {
    Kernels.argumentOf(.minimum, value, axis: axis, keepAxes: keepAxis)
  }

  /// The row-major index of the largest of all elements: int64, no axes.
  public func argmax() -> Tensor { value.viewed(as: [elementCount]).argmax(axis: 0) }
  /// The row-major index of the smallest of all elements: int64, no axes.
  public func argmin() -> Tensor { value.viewed(as: [elementCount]).argmin(axis: 0) }

  /// The variance over `axes`: the sum of the squared deviations from the mean, divided by
  /// n - correction (1: unbiased, PyTorch's default);  dx = dy 2 (x - mean) / (n - correction).
  public func variance(axes: [Int]? = nil, correction: Int = 1, keepAxes: Bool = false) -> Tensor {
    let axes = normalizedAxes(axes, shape, op: "variance")
    let (y, deviations, divisor) = varianceParts(axes, correction, keepAxes, op: "variance")
    return record("variance", inputs: [self], value: y, saving: []) { dy in
      let share = Kernels.apply(.divide, Kernels.apply(.multiply, dy, dy.scalar(2)), divisor)
      return [
        Kernels.apply(
          .multiply, Tensor.repeated(share, over: axes, of: deviations.shape), deviations)
      ]
    }
  }

  /// The square root of `variance`;  dx = dy (x - mean) / (n - correction) / y, 0 where y is 0 (as
  /// in PyTorch).
  public func standardDeviation(axes: [Int]? = nil, correction: Int = 1, keepAxes: Bool = false)
    -> Tensor
  {
    let axes = normalizedAxes(axes, shape, op: "standardDeviation")
    let (square, deviations, divisor) = varianceParts(
      axes, correction, keepAxes, op: "standardDeviation")
    let y = Kernels.apply(.squareRoot, square)
    return record("standardDeviation", inputs: [self], value: y, saving: [y]) { dy in
      let share = Kernels.apply(.divide, Kernels.apply(.divide, dy, y), divisor)
      let isZero = Kernels.compare(.equal, y, y.scalar(0))
      let guarded = Kernels.select(isZero, y.scalar(0), share)
      return [
        Kernels.apply(
          .multiply, Tensor.repeated(guarded, over: axes, of: deviations.shape), deviations)
      ]
    }
  }

  /// The variance, the deviations from the mean, and the divisor n - correction.
  private func varianceParts(
    _ axes: [Int], _ correction: Int, _ keepAxes: Bool, op: String
  ) -> (variance: Tensor, deviations: Tensor, divisor: Tensor) {
    require(
      dtype.isFloatingPoint, "\(op): needs float32 or float64, not \(dtype); convert it first")
    let x = value
    let count = axes.reduce(1) { $0 * shape[$1] }
    let sum = Kernels.reduce(.sum, x, axes: axes, keepAxes: true)
    let mean = Kernels.apply(.divide, sum, scalar(Double(count)))
    let deviations = Kernels.apply(.subtract, x, mean)
    let squares = Kernels.apply(.square, deviations)
    let divisor = scalar(Double(Swift.max(count - correction, 0)))
    let total = Kernels.reduce(.sum, squares, axes: axes, keepAxes: keepAxes)
    return (Kernels.apply(.divide, total, divisor), deviations, divisor)
  }

  /// The Euclidean norm over `axes`;  dx = dy x / y, 0 where y is 0 (as in PyTorch).
  public func norm(axes: [Int]? = nil, keepAxes: Bool = false) -> Tensor {
    let (x, axes) = (value, normalizedAxes(axes, shape, op: "norm"))
    let squares = Kernels.apply(.square, x)
    let y = Kernels.apply(
      .squareRoot, Kernels.reduce(.sum, squares, axes: axes, keepAxes: keepAxes))
    return record("norm", inputs: [self], value: y) { dy in
      let length = Tensor.repeated(y, over: axes, of: x.shape)
      let direction = Kernels.apply(.divide, x, length)
      let isZero = Kernels.compare(.equal, length, length.scalar(0))
      let guarded = Kernels.select(isZero, x.scalar(0), direction)
      return [Kernels.apply(.multiply, Tensor.repeated(dy, over: axes, of: x.shape), guarded)]
    }
  }

  /// ln of the sum of e^x over `axes`, without overflow;  dx = dy e^(x - y). -inf if there are no
  /// elements.
  public func logSumExp(axes: [Int], keepAxes: Bool = false) -> Tensor {
    let (x, axes) = (value, normalizedAxes(axes, shape, op: "logSumExp"))
    let isEmpty = axes.contains { x.shape[$0] == 0 }
    let largest =
      isEmpty
      ? Tensor(zeros: reducedShape(shape, axes, keepAxes: true), dtype)
      : Kernels.reduce(.maximum, x, axes: axes, keepAxes: true)
    // An infinite maximum is replaced by 0: x - maximum would be NaN.
    let anchor = Tensor.where(largest.abs() .< .infinity, largest, largest.scalar(0))
    let y = (x - anchor).exp().sum(axes: axes, keepAxes: true).log() + anchor
    let result = y.viewed(as: reducedShape(shape, axes, keepAxes: keepAxes))
    return record("logSumExp", inputs: [self], value: result) { dy in
      let weights = Kernels.apply(.elementary(.exp), Kernels.apply(.subtract, x, y))
      return [Kernels.apply(.multiply, Tensor.repeated(dy, over: axes, of: x.shape), weights)]
    }
  }

  /// Whether any element is true (or not 0).
  public func any() -> Bool {
    Kernels.converted(value, to: .bool).values(Bool.self).contains(true)
  }

  /// Whether all elements are true (or not 0).
  public func all() -> Bool {
    !Kernels.converted(value, to: .bool).values(Bool.self).contains(false)
  }
}
