import CSystem
import Glibc
import System
import Tensors

/// Says once on stderr when cross-entropy is given probabilities: it takes the softmax itself, and of a
/// softmax again it trains badly without any error.
///
/// Looks at the first call of each thread alone, so that it costs one pass over one batch of a run and
/// a load in every later call. That is enough: a softmax at the end of a network is there from the
/// first batch on.
func warnOnceAboutProbabilities(_ logits: Tensor) {
  guard nd_thread_slot(lookedSlot) == nil else { return }
  nd_set_thread_slot(lookedSlot, UnsafeMutableRawPointer(bitPattern: 1))
  if looksLikeProbabilities(logits) { warning }
}

private let lookedSlot: Int32 = 3

/// Runs once in a process, whichever threads come.
private let warning: Void = {
  let text =
    "nndist: warning: crossEntropy was given rows that are probabilities (all in 0 ... 1, each row "
    + "summing to 1); it takes the softmax itself: give it the logits\n"
  _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}()

/// Whether every row lies in 0 ... 1 and sums to 1, but for rounding. One class tells nothing.
/// - x: [N, C].
package func looksLikeProbabilities(_ x: Tensor) -> Bool {
  guard x.axisCount == 2, x.shape[0] > 0, x.shape[1] > 1 else { return false }
  let source = x.contiguous()
  func look<T: BinaryFloatingPoint & TensorScalar>(_: T.Type) -> Bool {
    let values = UnsafeBufferPointer(start: source.pointer(T.self), count: source.elementCount)
    for row in 0..<x.shape[0] {
      var sum = 0.0
      for value in values[row * x.shape[1]..<(row + 1) * x.shape[1]] {
        guard value >= 0 && value <= 1 else { return false }
        sum += Double(value)
      }
      // Each float32 probability is off by 2^-24 of itself or so.
      if abs(sum - 1) > 1e-5 { return false }
    }
    return true
  }
  return withExtendedLifetime(source) {
    x.dtype == .float64 ? look(Double.self) : look(Float.self)
  }
}
