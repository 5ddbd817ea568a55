import CKernels
import System

// The channels-last memory format: images of shape [N, C, H, W] that are stored as [N, H, W, C].
// Convolutions with few positions and pooling are fastest in it. It only changes the strides; the
// shape and the values are the same as in row-major format.

extension Tensor {
  /// Whether this tensor [N, C, H, W] is in channels-last format without gaps. Also true for
  /// row-major images with one channel or one position.
  public var isChannelsLast: Bool {
    guard axisCount == 4 else { return false }
    var step = 1
    for axis in [1, 3, 2, 0] {
      if shape[axis] != 1 && strides[axis] != step { return false }
      step *= max(shape[axis], 1)
    }
    return true
  }

  /// New images in channels-last format, with undefined contents.
  /// - Precondition: the shape is [N, C, H, W].
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

  /// A new tensor in the memory format of `other`: channels-last or row-major.
  package convenience init(uninitializedLike other: Tensor, _ dtype: DType? = nil) {
    if other.isContiguous || !other.isChannelsLast {
      self.init(uninitialized: other.shape, dtype ?? other.dtype)
    } else {
      self.init(uninitializedChannelsLast: other.shape, dtype ?? other.dtype)
    }
  }

  /// The same values in channels-last format: the tensor itself if it already is, otherwise a copy
  /// that is not recorded.
  /// - Precondition: images [N, C, H, W].
  package func channelsLast() -> Tensor {
    if isChannelsLast { return self }
    let result = Tensor(uninitializedChannelsLast: shape, dtype)
    let source = contiguous()
    if dtype.byteCount == 4 {
      withExtendedLifetime(source) {
        transposePlanes(
          source.rawPointer, result.rawPointer, rows: shape[1], columns: shape[2] * shape[3])
      }
    } else {
      result.overwrite(with: source)
    }
    return result
  }

  /// The same values without gaps in memory: the tensor itself if it is row-major or channels-last.
  package func dense() -> Tensor { isChannelsLast ? self : contiguous() }

  /// The same values in the memory format of `other`.
  /// - Precondition: `other` has no gaps in memory.
  package func laidOut(like other: Tensor) -> Tensor {
    other.isContiguous ? contiguous() : channelsLast()
  }

  /// A row-major copy of a channels-last tensor of 4-byte elements.
  func copiedFromChannelsLast() -> Tensor {
    let result = Tensor(uninitialized: shape, dtype)
    transposePlanes(rawPointer, result.rawPointer, rows: shape[2] * shape[3], columns: shape[1])
    return result
  }

  /// Transposes each image, seen as a matrix [rows, columns] of 4-byte elements.
  private func transposePlanes(
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
