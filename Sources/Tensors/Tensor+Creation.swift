import System

// Tensors whose elements are given by a formula.

extension Tensor {
  public static func zeros(_ shape: Shape, _ dtype: DType = .float32) -> Tensor {
    Tensor(zeros: shape, dtype)
  }

  public static func ones(_ shape: Shape, _ dtype: DType = .float32) -> Tensor {
    full(shape, 1, dtype)
  }

  /// A tensor with every element equal to `value`.
  /// - Precondition: an integer dtype can represent `value` exactly. For bool, 0 is false and any
  ///   other value true.
  public static func full(_ shape: Shape, _ value: Double, _ dtype: DType = .float32) -> Tensor {
    generated(shape, dtype) { _ in value }
  }

  public static func zerosLike(_ x: Tensor) -> Tensor { zeros(x.shape, x.dtype) }
  public static func onesLike(_ x: Tensor) -> Tensor { ones(x.shape, x.dtype) }

  /// 0, 1, ..., count - 1: int64.
  public static func arange(_ count: Int) -> Tensor { arange(0, count) }

  /// start, start + step, ... up to `end`, exclusive: int64.
  /// - Precondition: `step` is not 0.
  public static func arange(_ start: Int, _ end: Int, step: Int = 1) -> Tensor {
    require(step != 0, "arange: the step must not be 0")
    return Tensor(stride(from: start, to: end, by: step).map { Int64($0) })
  }

  /// start + i step for i in 0 ..< ceil((end - start) / step), computed in double and rounded once.
  /// - Precondition: `step` is not 0 and leads from `start` towards `end`.
  public static func arange(
    _ start: Double, _ end: Double, step: Double, _ dtype: DType = .float32
  ) -> Tensor {
    require(
      step != 0 && (end - start) / step >= 0,
      "arange: a step of \(step) does not lead from \(start) to \(end)")
    let count = Int(((end - start) / step).rounded(.up))
    return generated([count], dtype) { start + Double($0) * step }
  }

  /// `count` equally spaced numbers from `start` through `end`; only `start` if `count` is 1.
  /// The second half is computed from `end`, so that both ends are exact.
  public static func linspace(
    _ start: Double, _ end: Double, _ count: Int, _ dtype: DType = .float32
  ) -> Tensor {
    require(count >= 0, "linspace: \(count) numbers")
    let step = count > 1 ? (end - start) / Double(count - 1) : 0
    return generated([count], dtype) { i in
      i < count / 2 || count == 1
        ? start + step * Double(i) : end - step * Double(count - 1 - i)
    }
  }

  /// A matrix [rows, columns] with 1 on the diagonal and 0 elsewhere; square if `columns` is nil.
  public static func eye(_ rows: Int, _ columns: Int? = nil, _ dtype: DType = .float32) -> Tensor {
    let columns = columns ?? rows
    return generated([rows, columns], dtype) { $0 / columns == $0 % columns ? 1 : 0 }
  }

  /// A tensor whose element i, in row-major order, is `value(i)`.
  static func generated(_ shape: Shape, _ dtype: DType, _ value: (Int) -> Double) -> Tensor {
    let count = shape.elementCount
    func whole<I: FixedWidthInteger & TensorScalar>(_: I.Type) -> Tensor {
      Tensor(
        (0..<count).map { i -> I in
          let number = value(i)
          guard let exact = I(exactly: number) else {
            fatalError("a tensor of \(dtype) cannot hold \(number)")
          }
          return exact
        }, shape: shape)
    }
    return switch dtype {
    case .float32: Tensor((0..<count).map { Float(value($0)) }, shape: shape)
    case .float64: Tensor((0..<count).map(value), shape: shape)
    case .int32: whole(Int32.self)
    case .int64: whole(Int64.self)
    case .uint8: whole(UInt8.self)
    case .bool: Tensor((0..<count).map { value($0) != 0 }, shape: shape)
    }
  }
}
