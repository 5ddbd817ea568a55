import CKernels
import System

// Images [N, C, H, W] whose channels are neighbours in memory, as [N, H, W, C]: how convolutions of few
// places run fastest, and pooling too. A layout like any other: shape and values say nothing of it.

extension Tensor {
  /// Whether this is images [N, C, H, W] that fill their memory with the channels innermost. Also true
  /// of row-major ones with one channel or one place.
  public var isChannelsLast: Bool {
    guard axisCount == 4 else { return false }
    var step = 1
    for axis in [1, 3, 2, 0] {
      if shape[axis] != 1 && strides[axis] != step { return false }
      step *= max(shape[axis], 1)
    }
    return true
  }

  /// New images with the channels innermost; their contents are undefined.
  /// - Precondition: a shape [N, C, H, W].
  public convenience init(uninitializedChannelsLast shape: Shape, _ dtype: DType = .float32) {
    require(shape.count == 4, "channels last: \(shape) is not [N, C, H, W]")
    var strides = Strides(axisCount: 4)
    (strides[1], strides[3]) = (1, shape[1])
    strides[2] = shape[3] * shape[1]
    strides[0] = shape[2] * strides[2]
    self.init(
      storage: Storage(byteCount: shape.elementCount * dtype.byteCount), shape: shape,
      strides: strides, offset: 0, dtype: dtype)
  }

  /// A new tensor as `other` lies in memory: with the channels innermost, or else row-major.
  package convenience init(uninitializedLike other: Tensor, _ dtype: DType? = nil) {
    if other.isContiguous || !other.isChannelsLast {
      self.init(uninitialized: other.shape, dtype ?? other.dtype)
    } else {
      self.init(uninitializedChannelsLast: other.shape, dtype ?? other.dtype)
    }
  }

  /// The same values with the channels innermost: itself where they are. A copy is not recorded.
  /// - Precondition: images [N, C, H, W].
  package func channelsLast() -> Tensor {
    if isChannelsLast { return self }
    let result = Tensor(uninitializedChannelsLast: shape, dtype)
    let source = contiguous()
    if dtype.byteCount == 4 {
      withExtendedLifetime(source) {
        turnPlanes(
          source.rawPointer, result.rawPointer, rows: shape[1], columns: shape[2] * shape[3])
      }
    } else {
      result.overwrite(with: source)
    }
    return result
  }

  /// The same values without gaps: itself where it is row-major or has the channels innermost.
  package func dense() -> Tensor { isChannelsLast ? self : contiguous() }

  /// The same values as `other` lies in memory, which is dense.
  package func laidOut(like other: Tensor) -> Tensor {
    other.isContiguous ? contiguous() : channelsLast()
  }

  /// Row-major, of channels that are innermost.
  func copiedFromChannelsLast() -> Tensor {
    let result = Tensor(uninitialized: shape, dtype)
    turnPlanes(rawPointer, result.rawPointer, rows: shape[2] * shape[3], columns: shape[1])
    return result
  }

  /// Of each image, as a matrix of 4-byte elements, rows become columns.
  private func turnPlanes(
    _ from: UnsafeMutableRawPointer, _ to: UnsafeMutableRawPointer, rows: Int, columns: Int
  ) {
    let source = from.assumingMemoryBound(to: Float.self)
    let target = to.assumingMemoryBound(to: Float.self)
    for image in 0..<shape[0] {
      let start = image * rows * columns
      nd_transpose(target + start, source + start, rows, columns)
    }
  }
}
