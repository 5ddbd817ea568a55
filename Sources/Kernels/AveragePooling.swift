import System
import Tensors

/// The windows of an average pooling along one axis: output i is a sum over elements
/// `starts[i] ..< ends[i]` divided by `counts[i]`.
public struct PoolingWindows: Sendable {
  let starts, ends, counts: [Int]
  var count: Int { starts.count }

  /// Windows of `kernel` elements that move by `stride`. The padding counts as zeros if
  /// `countsPadding`; else it is ignored.
  init(
    output: Int, input: Int, kernel: Int, stride: Int, padding: Int, countsPadding: Bool
  ) {
    let first = (0..<output).map { $0 * stride - padding }
    starts = first.map { max($0, 0) }
    ends = first.map { min($0 + kernel, input) }
    counts = zip(starts, ends).map { countsPadding ? kernel : $1 - $0 }
  }

  /// `output` windows over `input` elements: window i is
  /// floor(i input / output) ..< ceil((i + 1) input / output).
  init(sharing input: Int, among output: Int) {
    starts = (0..<output).map { $0 * input / output }
    ends = (0..<output).map { (($0 + 1) * input + output - 1) / output }
    counts = zip(starts, ends).map { $1 - $0 }
  }
}

/// The rows' and columns' windows of `avgPool2d`.
/// - Precondition: as for `maxPool`.
public func averageWindows(
  _ shape: Shape, kernel: HeightWidth, stride: HeightWidth, padding: HeightWidth,
  countsPadding: Bool
) -> (rows: PoolingWindows, columns: PoolingWindows) {
  let output = pooledExtents("avgPool2d", shape, kernel, stride, padding)
  return (
    PoolingWindows(
      output: output.height, input: shape[2], kernel: kernel.height, stride: stride.height,
      padding: padding.height, countsPadding: countsPadding),
    PoolingWindows(
      output: output.width, input: shape[3], kernel: kernel.width, stride: stride.width,
      padding: padding.width, countsPadding: countsPadding)
  )
}

/// The rows' and columns' windows of `adaptiveAvgPool2d`.
public func adaptiveWindows(_ shape: Shape, size: HeightWidth) -> (
  rows: PoolingWindows, columns: PoolingWindows
) {
  require(shape.count == 4, "adaptiveAvgPool2d: the input must be [N, C, H, W], not \(shape)")
  require(
    min(size.height, size.width) >= 0 && shape[2] * shape[3] > 0,
    "adaptiveAvgPool2d: no output of size \(size) from an input of shape \(shape)")
  return (
    PoolingWindows(sharing: shape[2], among: size.height),
    PoolingWindows(sharing: shape[3], among: size.width)
  )
}

/// y = the mean over each pair of windows.
/// - x: [N, C, H, W].  Returns [N, C, rows.count, columns.count].
public func averagePool(_ x: Tensor, _ windows: (rows: PoolingWindows, columns: PoolingWindows))
  -> Tensor
{
  let x = x.contiguous()
  return withReal(
    "avgPool2d", x.dtype, { averagePool(x, windows.rows, windows.columns, Float.self) },
    { averagePool(x, windows.rows, windows.columns, Double.self) })
}

/// dx: every element of dy distributed evenly over its window's elements.
/// - Returns: `shape`, x's.
public func averagePoolBackward(
  _ dy: Tensor, _ windows: (rows: PoolingWindows, columns: PoolingWindows), shape: Shape
) -> Tensor {
  let dy = dy.contiguous()
  return withReal(
    "avgPool2d backward", dy.dtype,
    { distributed(dy, windows.rows, windows.columns, shape, Float.self) },
    { distributed(dy, windows.rows, windows.columns, shape, Double.self) })
}

private func averagePool<T: RealScalar>(
  _ x: Tensor, _ rows: PoolingWindows, _ columns: PoolingWindows, _: T.Type
) -> Tensor {
  let (images, height, width) = (x.shape[0] * x.shape[1], x.shape[2], x.shape[3])
  let y = Tensor(uninitialized: [x.shape[0], x.shape[1], rows.count, columns.count], T.dtype)
  let (source, target) = (x.pointer(T.self), y.pointer(T.self))
  var next = 0
  for image in 0..<images {
    let plane = source + image * height * width
    for row in 0..<rows.count {
      for column in 0..<columns.count {
        var sum: T = 0
        for h in rows.starts[row]..<rows.ends[row] {
          for w in columns.starts[column]..<columns.ends[column] { sum += plane[h * width + w] }
        }
        target[next] = sum / T(rows.counts[row] * columns.counts[column])
        next += 1
      }
    }
  }
  return y
}

private func distributed<T: RealScalar>(
  _ dy: Tensor, _ rows: PoolingWindows, _ columns: PoolingWindows, _ shape: Shape, _: T.Type
) -> Tensor {
  let dx = Tensor(zeros: shape, T.dtype)
  let (source, target) = (dy.pointer(T.self), dx.pointer(T.self))
  let (height, width) = (shape[2], shape[3])
  var next = 0
  for image in 0..<shape[0] * shape[1] {
    let plane = target + image * height * width
    for row in 0..<rows.count {
      for column in 0..<columns.count {
        let share = source[next] / T(rows.counts[row] * columns.counts[column])
        for h in rows.starts[row]..<rows.ends[row] {
          for w in columns.starts[column]..<columns.ends[column] { plane[h * width + w] += share }
        }
        next += 1
      }
    }
  }
  return dx
}
