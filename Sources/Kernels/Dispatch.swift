import System
import Tensors

// Chooses between a fast kernel and its reference implementation; this happens nowhere else.
// float32 takes the fast kernel. float64, which only checks float32, takes the generic loop of
// `Reference`.

/// Runs `fast` for float32 and `reference` for float64.
/// - Precondition: the tensors share one of these dtypes; otherwise traps, naming `op`.
@inline(__always)
func dispatch<Result>(
  _ op: StaticString, _ x: Tensor, _ y: Tensor? = nil, _ z: Tensor? = nil, fast: () -> Result,
  reference: () -> Result
) -> Result {
  func requireAlike(_ other: Tensor) {
    if other.dtype != x.dtype {
      fatalError("\(op): operands of \(x.dtype) and \(other.dtype); convert one of them first")
    }
  }
  if let y { requireAlike(y) }
  if let z { requireAlike(z) }
  switch x.dtype {
  case .float32: return clocked(fast)
  case .float64: return reference()
  default: fatalError("\(op): needs float32 or float64, not \(x.dtype)")
  }
}

/// Runs a kernel, and times it while `KernelClock` is on.
@inline(__always)
func clocked<Result>(_ kernel: () -> Result) -> Result {
  KernelClock.isOn ? KernelClock.timed(kernel) : kernel()
}

extension Tensor {
  var floats: UnsafeMutablePointer<Float> { pointer(Float.self) }
  var doubles: UnsafeMutablePointer<Double> { pointer(Double.self) }
  /// The elements of a contiguous float64 tensor.
  var doubleElements: UnsafeMutableBufferPointer<Double> {
    UnsafeMutableBufferPointer(start: doubles, count: elementCount)
  }
}

/// `destination` if it fits the result, else a new tensor.
/// - Precondition: a destination has the result's shape and dtype and is contiguous.
func result(
  _ op: StaticString, _ shape: Shape, _ dtype: DType, into destination: Tensor?
) -> Tensor {
  guard let destination else { return Tensor(uninitialized: shape, dtype) }
  require(
    destination.shape == shape && destination.dtype == dtype && destination.isContiguous,
    "\(op): the result is \(dtype) \(shape); the destination is \(destination.dtype) \(destination.shape)"
  )
  return destination
}
