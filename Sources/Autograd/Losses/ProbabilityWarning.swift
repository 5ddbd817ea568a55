import CSystem
import Glibc
import System
import Tensors

/// Warns once on stderr if cross-entropy is given probabilities. It computes the softmax itself,
/// and a network that already ends in a softmax trains badly without any error.
///
/// Checks only the first call on each thread, so it costs one pass over one batch of a run and a
/// load in every later call. That is enough: a network that ends in a softmax does so from the
/// first batch on.
func warnOnceAboutProbabilities(_ logits: Tensor) {
  guard nd_thread_slot(checkedSlot) == nil else { return }
  nd_set_thread_slot(checkedSlot, UnsafeMutableRawPointer(bitPattern: 1))
  if looksLikeProbabilities(logits) { warning }
}

private let checkedSlot: Int32 = 3

/// Prints the warning. Swift evaluates it once in a process, however many threads use it.
private let warning: Void = {
  let text =
    "nndist: warning: crossEntropy was given rows that are probabilities (all in 0 ... 1, each row "
    + "summing to 1); it takes the softmax itself: give it the logits\n"
  _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}()

/// Whether the elements of every row are in 0 ... 1 and sum to 1, up to rounding. False for a
/// single class, where the check says nothing.
/// - x: [N, C].
package func looksLikeProbabilities(_ x: Tensor) -> Bool {
  guard x.axisCount == 2, x.shape[0] > 0, x.shape[1] > 1 else { return false }
  let source = x.contiguous()
  func check<T: BinaryFloatingPoint & TensorScalar>(_: T.Type) -> Bool {
    let values = UnsafeBufferPointer(start: source.pointer(T.self), count: source.elementCount)
    for row in 0..<x.shape[0] {
      var sum = 0.0
      for value in values[row * x.shape[1]..<(row + 1) * x.shape[1]] {
        guard value >= 0 && value <= 1 else { return false }
        sum += Double(value)
      }
      // Each float32 probability has a relative error of about 2^-24.
      if abs(sum - 1) > 1e-5 { return false }
    }
    return true
  }
  return withExtendedLifetime(source) {
    x.dtype == .float64 ? check(Double.self) : check(Float.self)
  }
}
