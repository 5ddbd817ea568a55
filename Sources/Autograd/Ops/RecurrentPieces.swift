import Kernels
import System
import Tensors

// Cutting a tensor into equal pieces along an axis and joining pieces, for recurrent layers and
// attention.

/// x cut along `axis` into `count` equal pieces;  dx = the pieces' gradients side by side, 0 where a
/// piece got none.
///
/// All pieces write into one gradient of x's shape: were each padded with zeros and added up, cutting
/// a series of T steps would cost T^2.
/// - Precondition: `count` divides the extent.
func pieces(_ x: Tensor, axis: Int, count: Int) -> [Tensor] {
  require(
    count > 0 && x.shape[axis] % count == 0,
    "pieces: axis \(axis) of shape \(x.shape) has no \(count) equal pieces")
  let shared = SharedGradient()
  let shape = x.shape
  let width = shape[axis] / count
  // The node before all pieces: the engine reaches it after the last of them.
  let whole = record("pieces", inputs: [x], value: x.value) { gradient in
    shared.gradient = nil
    return [gradient]
  }
  return (0..<count).map { index in
    let piece = whole.value.stretch(axis, index * width..<(index + 1) * width)
    return record("piece", inputs: [whole], value: piece) { dy in
      // The first piece of a pass hands the gradient over; the others fill in theirs.
      let known = shared.gradient
      let gradient = known ?? Tensor(zeros: shape, dy.dtype)
      shared.gradient = gradient
      copyBlocks(of: dy, into: gradient, axis: axis, from: index * width)
      return [known == nil ? gradient : nil]
    }
  }
}

private final class SharedGradient {
  var gradient: Tensor?
}

/// `parts` one after the other along `axis`;  each part's gradient is its stretch of dy.
/// - Precondition: at least one; one dtype; shapes that differ along `axis` at most.
func joined(_ parts: [Tensor], axis: Int) -> Tensor {
  var extents = Array(parts[0].shape)
  extents[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
  let y = Tensor(uninitialized: Shape(extents), parts[0].dtype)
  var stretches: [Range<Int>] = []
  var start = 0
  for part in parts {
    copyBlocks(of: part.value, into: y, axis: axis, from: start)
    stretches.append(start..<start + part.shape[axis])
    start += part.shape[axis]
  }
  return record("joined", inputs: parts, value: y) { dy, request in
    stretches.enumerated().map { request.isNeeded($0) ? dy.stretch(axis, $1) : nil }
  }
}

extension Tensor {
  /// Elements `range` along `axis`, as a view. Not recorded.
  fileprivate func stretch(_ axis: Int, _ range: Range<Int>) -> Tensor {
    var extents = Array(shape)
    extents[axis] = range.count
    return Tensor(
      storage: storage, shape: Shape(extents), strides: strides,
      offset: offset + (elementCount == 0 ? 0 : range.lowerBound * strides[axis]), dtype: dtype)
  }
}

/// Puts `part` into `whole`, whose elements along `axis` from `start` on it replaces.
/// - Precondition: `whole` is contiguous; the other extents and the dtype agree.
private func copyBlocks(of part: Tensor, into whole: Tensor, axis: Int, from start: Int) {
  require(
    part.dtype == whole.dtype
      && part.shape.indices.allSatisfy { $0 == axis || part.shape[$0] == whole.shape[$0] },
    "joined: \(part.dtype) \(part.shape) does not fit \(whole.dtype) \(whole.shape) along axis \(axis)"
  )
  let source = part.contiguous()
  let inner = part.shape[(axis + 1)...].reduce(part.dtype.byteCount, *)
  let outer = part.shape[..<axis].reduce(1, *)
  let (width, stride) = (part.shape[axis] * inner, whole.shape[axis] * inner)
  for block in 0..<outer {
    (whole.rawPointer + block * stride + start * inner).copyMemory(
      from: source.rawPointer + block * width, byteCount: width)
  }
  withExtendedLifetime(source) {}
}
