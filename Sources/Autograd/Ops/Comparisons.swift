import Kernels
import Tensors

// Comparisons element by element, with broadcasting. They give bool tensors; no gradient flows
// through them. The names have a dot, like Swift's SIMD operators, because == and != of two tensors
// must return a single Bool.

infix operator .== : ComparisonPrecedence
infix operator .!= : ComparisonPrecedence
infix operator .< : ComparisonPrecedence
infix operator .<= : ComparisonPrecedence
infix operator .> : ComparisonPrecedence
infix operator .>= : ComparisonPrecedence

extension Tensor {
  public static func .== (x: Tensor, y: Tensor) -> Tensor { Kernels.compare(.equal, x, y) }
  public static func .!= (x: Tensor, y: Tensor) -> Tensor { Kernels.compare(.notEqual, x, y) }
  public static func .< (x: Tensor, y: Tensor) -> Tensor { Kernels.compare(.less, x, y) }
  public static func .<= (x: Tensor, y: Tensor) -> Tensor { Kernels.compare(.lessOrEqual, x, y) }
  public static func .> (x: Tensor, y: Tensor) -> Tensor { Kernels.compare(.greater, x, y) }
  public static func .>= (x: Tensor, y: Tensor) -> Tensor { Kernels.compare(.greaterOrEqual, x, y) }

  public static func .== (x: Tensor, y: Double) -> Tensor { x .== x.scalar(y) }
  public static func .!= (x: Tensor, y: Double) -> Tensor { x .!= x.scalar(y) }
  public static func .< (x: Tensor, y: Double) -> Tensor { x .< x.scalar(y) }
  public static func .<= (x: Tensor, y: Double) -> Tensor { x .<= x.scalar(y) }
  public static func .> (x: Tensor, y: Double) -> Tensor { x .> x.scalar(y) }
  public static func .>= (x: Tensor, y: Double) -> Tensor { x .>= x.scalar(y) }

  /// condition ? x : y, broadcast;  dx = dz where the condition is true, else 0;  dy = dz where it
  /// is false, else 0.
  /// - Precondition: `condition` is bool; x and y have the same dtype.
  public static func `where`(_ condition: Tensor, _ x: Tensor, _ y: Tensor) -> Tensor {
    let (xShape, yShape) = (x.shape, y.shape)
    let z = Kernels.select(condition, x.value, y.value)
    return record("where", inputs: [x, y, condition], value: z, saving: [condition]) { dz in
      let zero = dz.scalar(0)
      return [
        unbroadcast(Kernels.select(condition, dz, zero), to: xShape),
        unbroadcast(Kernels.select(condition, zero, dz), to: yShape),
        nil,
      ]
    }
  }

  /// `where` with one number, converted to the dtype of the tensor.
  public static func `where`(_ condition: Tensor, _ x: Tensor, _ y: Double) -> Tensor {
    Tensor.where(condition, x, x.scalar(y))
  }
  public static func `where`(_ condition: Tensor, _ x: Double, _ y: Tensor) -> Tensor {
    Tensor.where(condition, y.scalar(x), y)
  }

  /// `where` with two numbers: int64 for whole numbers, float32 for others, as in PyTorch.
  public static func `where`(_ condition: Tensor, _ x: Int, _ y: Int) -> Tensor {
    Tensor.where(condition, Tensor(scalar: Int64(x)), Tensor(scalar: Int64(y)))
  }
  public static func `where`(_ condition: Tensor, _ x: Double, _ y: Double) -> Tensor {
    Tensor.where(condition, Tensor(scalar: Float(x)), Tensor(scalar: Float(y)))
  }
}
