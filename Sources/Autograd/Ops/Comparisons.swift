import Kernels
import Tensors

// Element by element, broadcast, as bool tensors; no gradient flows through them. With the point of
// Swift's SIMD operators, since == and != of two tensors must be one answer.

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

  /// condition ? x : y, broadcast;  dx = dz where the condition holds, dy = dz where not.
  /// - Precondition: `condition` is bool; x and y have one dtype.
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

  /// The same with a number of the other's dtype.
  public static func `where`(_ condition: Tensor, _ x: Tensor, _ y: Double) -> Tensor {
    Tensor.where(condition, x, x.scalar(y))
  }
  public static func `where`(_ condition: Tensor, _ x: Double, _ y: Tensor) -> Tensor {
    Tensor.where(condition, y.scalar(x), y)
  }

  /// The same of two numbers: int64 of whole ones, float32 of others, as in PyTorch.
  public static func `where`(_ condition: Tensor, _ x: Int, _ y: Int) -> Tensor {
    Tensor.where(condition, Tensor(scalar: Int64(x)), Tensor(scalar: Int64(y)))
  }
  public static func `where`(_ condition: Tensor, _ x: Double, _ y: Double) -> Tensor {
    Tensor.where(condition, Tensor(scalar: Float(x)), Tensor(scalar: Float(y)))
  }
}
