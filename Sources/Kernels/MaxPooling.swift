import CKernels
import System
import Tensors

/// y = the largest element of each window over the planes; NaN is the largest. Padding is never the
/// largest.
/// - x: [N, C, H, W].
/// - Returns: y [N, C, H', W'] and, for the gradient, the places of its elements in x's planes
///   (int32, the first of equal ones), where H' = (H + 2 padding - kernel) / stride + 1. Both have
///   their channels innermost if x has that layout (`poolsChannelsLast`).
/// - Precondition: padding is at most half the kernel, which is not larger than the padded input.
public func maxPool(
  _ x: Tensor, kernel: HeightWidth, stride: HeightWidth, padding: HeightWidth
) -> (y: Tensor, places: Tensor) {
  let output = pooledExtents("maxPool2d", x.shape, kernel, stride, padding)
  let shape: Shape = [x.shape[0], x.shape[1], output.height, output.width]
  if poolsChannelsLast(x, kernel: kernel, stride: stride, padding: padding) {
    let y = Tensor(uninitializedChannelsLast: shape)
    let places = Tensor(uninitializedChannelsLast: shape, .int32)
    clocked {
      nd_max_pool_2x2_channels_last(
        y.floats, places.pointer(Int32.self), x.floats, shape[0], x.shape[2], x.shape[3], shape[1])
    }
    return (y, places)
  }
  let x = x.contiguous()
  if isSmallWindow(x, kernel, stride, padding) {
    let (y, places) = (Tensor(uninitialized: shape), Tensor(uninitialized: shape, .int32))
    clocked {
      nd_max_pool_2x2(
        y.floats, places.pointer(Int32.self), x.floats, shape[0] * shape[1], x.shape[2], x.shape[3])
    }
    return (y, places)
  }
  return withReal(
    "maxPool2d", x.dtype, { maxPool(x, output, kernel, stride, padding, Float.self) },
    { maxPool(x, output, kernel, stride, padding, Double.self) })
}

/// Whether `maxPool` reads and returns images with the channels innermost.
public func poolsChannelsLast(
  _ x: Tensor, kernel: HeightWidth, stride: HeightWidth, padding: HeightWidth
) -> Bool {
  isSmallWindow(x, kernel, stride, padding) && x.isChannelsLast && !x.isContiguous
}

/// Whether CKernels has a kernel for this pooling.
private func isSmallWindow(
  _ x: Tensor, _ kernel: HeightWidth, _ stride: HeightWidth, _ padding: HeightWidth
) -> Bool {
  x.dtype == .float32 && kernel == 2 && stride == 2 && padding == 0
}

/// dx: every element of dy added at its place.
/// - Parameters:
///   - places: what `maxPool` returned.
///   - shape: x's.
///   - isChannelsLast: `poolsChannelsLast` of x. If true, the windows are 2 x 2.
/// - Returns: `shape`.
public func maxPoolBackward(
  _ dy: Tensor, places: Tensor, shape: Shape, isChannelsLast: Bool = false
) -> Tensor {
  require(
    dy.shape == places.shape,
    "maxPool2d backward: dy of shape \(dy.shape) for places of shape \(places.shape)")
  if isChannelsLast {
    let dy = dy.channelsLast()
    let dx = Tensor(uninitializedChannelsLast: shape)
    clocked {
      nd_max_pool_2x2_channels_last_backward(
        dx.floats, dy.floats, places.pointer(Int32.self), shape[0], shape[2], shape[3], shape[1])
    }
    return dx
  }
  let (dy, places) = (dy.contiguous(), places.contiguous())
  return withReal(
    "maxPool2d backward", dy.dtype, { scattered(dy, places, shape, Float.self) },
    { scattered(dy, places, shape, Double.self) })
}

/// The extents of a pooling's result.
/// - Precondition: as above; otherwise traps, naming `op` and the shapes.
func pooledExtents(
  _ op: String, _ shape: Shape, _ kernel: HeightWidth, _ stride: HeightWidth, _ padding: HeightWidth
) -> HeightWidth {
  require(shape.count == 4, "\(op): the input must be [N, C, H, W], not \(shape)")
  func extent(_ input: Int, _ kernel: Int, _ stride: Int, _ padding: Int) -> Int {
    require(
      kernel > 0 && stride > 0, "\(op): kernel \(kernel) and stride \(stride) must be positive")
    require(
      padding >= 0 && padding <= kernel / 2,
      "\(op): the padding \(padding) must be at most half the kernel's \(kernel)")
    require(
      input > 0 && input + 2 * padding >= kernel,
      "\(op): a window of \(kernel) is larger than the padded input \(shape) (\(input + 2 * padding)); "
        + "use a smaller kernel or one pooling fewer")
    return (input + 2 * padding - kernel) / stride + 1
  }
  return HeightWidth(
    extent(shape[2], kernel.height, stride.height, padding.height),
    extent(shape[3], kernel.width, stride.width, padding.width))
}

private func maxPool<T: RealScalar>(
  _ x: Tensor, _ output: HeightWidth, _ kernel: HeightWidth, _ stride: HeightWidth,
  _ padding: HeightWidth, _: T.Type
) -> (y: Tensor, places: Tensor) {
  let (height, width) = (x.shape[2], x.shape[3])
  let shape: Shape = [x.shape[0], x.shape[1], output.height, output.width]
  let (y, places) = (Tensor(uninitialized: shape, T.dtype), Tensor(uninitialized: shape, .int32))
  let (source, target, chosen) = (x.pointer(T.self), y.pointer(T.self), places.pointer(Int32.self))
  var next = 0
  for image in 0..<x.shape[0] * x.shape[1] {
    let plane = source + image * height * width
    for row in 0..<output.height {
      let top = row * stride.height - padding.height
      for column in 0..<output.width {
        let left = column * stride.width - padding.width
        var place = max(top, 0) * width + max(left, 0)
        var largest = -T.infinity
        for h in max(top, 0)..<min(top + kernel.height, height) {
          for w in max(left, 0)..<min(left + kernel.width, width) {
            let value = plane[h * width + w]
            if value > largest || value != value {
              largest = value
              place = h * width + w
            }
          }
        }
        target[next] = largest
        chosen[next] = Int32(place)
        next += 1
      }
    }
  }
  return (y, places)
}

private func scattered<T: RealScalar>(
  _ dy: Tensor, _ places: Tensor, _ shape: Shape, _: T.Type
) -> Tensor {
  let dx = Tensor(zeros: shape, T.dtype)
  let (source, target, chosen) = (
    dy.pointer(T.self), dx.pointer(T.self), places.pointer(Int32.self)
  )
  let (from, to) = (dy.shape[2] * dy.shape[3], shape[2] * shape[3])
  for image in 0..<shape[0] * shape[1] {
    for i in image * from..<(image + 1) * from {
      target[image * to + Int(chosen[i])] += source[i]
    }
  }
  return dx
}
