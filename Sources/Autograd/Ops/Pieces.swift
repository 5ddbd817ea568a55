import Kernels
import System
import Tensors

/// Splits x along `axis` into `count` equal pieces, for recurrent layers and attention;  dx = the
/// concatenated gradients of the pieces, 0 for a piece without one.
///
/// All pieces write into one gradient of x's shape. If each gradient were padded with zeros and
/// added, as `split` does, to split a series of T steps would cost T^2.
/// - Precondition: `count` divides the extent.
func pieces(_ x: Tensor, axis: Int, count: Int) -> [Tensor] {
  require(
    count > 0 && x.shape[axis] % count == 0,
    "pieces: axis \(axis) of shape \(x.shape) has no \(count) equal pieces")
  let shared = SharedGradient()
  let shape = x.shape
  let width = shape[axis] / count
  // A node shared by all pieces. The engine runs it after the last of them.
  let whole = record("pieces", inputs: [x], value: x.value) { gradient in
    shared.gradient = nil
    return [gradient]
  }
  return (0..<count).map { index in
    let piece = whole.value.slicedView(axis: axis, start: index * width, count: width)
    return record("piece", inputs: [whole], value: piece) { dy in
      // The first piece of a backward pass creates the gradient and returns it; the others write
      // into it.
      let existing = shared.gradient
      let gradient = existing ?? Tensor(zeros: shape, dy.dtype)
      shared.gradient = gradient
      copyBlocks(of: dy, into: gradient, axis: axis, from: index * width)
      return [existing == nil ? gradient : nil]
    }
  }
}

/// The gradient that all pieces of one tensor write into.
private final class SharedGradient {
  var gradient: Tensor?
}
