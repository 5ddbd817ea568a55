import Kernels
import Tensors

/// y = the largest element in a window that moves over each plane;  dx = dy at that element, or at
/// the first one of equal elements (as in PyTorch).
/// - x: [N, C, H, W] or [C, H, W].  stride: nil: the size of the kernel.
/// - Returns: [N, C, H', W'], H' = (H + 2 padding - kernel) / stride + 1, rounded down.
/// - Precondition: padding is at most half the kernel, which is not larger than the padded input.
public func maxPool2d(
  _ x: Tensor, kernel: HeightWidth, stride: HeightWidth? = nil, padding: HeightWidth = 0
) -> Tensor {
  withImages(x) { x in
    let shape = x.shape
    let stride = stride ?? kernel
    let (y, places) = Kernels.maxPool(x.value, kernel: kernel, stride: stride, padding: padding)
    let isChannelsLast = Kernels.poolsChannelsLast(
      x.value, kernel: kernel, stride: stride, padding: padding)
    return record("maxPool2d", inputs: [x], value: y) { dy in
      [Kernels.maxPoolBackward(dy, places: places, shape: shape, isChannelsLast: isChannelsLast)]
    }
  }
}

/// y = the mean of a window that moves over each plane;  dx = dy / count at every element of the
/// window.
/// - x: [N, C, H, W] or [C, H, W].  stride: nil: the size of the kernel.
/// - countsPadding: whether padding counts as zeros, or is left out of the mean.
/// - Returns: as `maxPool2d`.
/// - Precondition: as for `maxPool2d`.
public func avgPool2d(
  _ x: Tensor, kernel: HeightWidth, stride: HeightWidth? = nil, padding: HeightWidth = 0,
  countsPadding: Bool = true
) -> Tensor {
  withImages(x) { x in
    let windows = Kernels.averageWindows(
      x.shape, kernel: kernel, stride: stride ?? kernel, padding: padding,
      countsPadding: countsPadding)
    return pooled("avgPool2d", x, windows)
  }
}

/// y = the means of `size` windows that together cover each plane. Window i of n has the rows
/// floor(i H / n) ..< ceil((i + 1) H / n);  dx = dy / count at every element of the window.
/// - x: [N, C, H, W] or [C, H, W].  Returns [N, C] + size.
public func adaptiveAvgPool2d(_ x: Tensor, size: HeightWidth) -> Tensor {
  withImages(x) { x in
    pooled("adaptiveAvgPool2d", x, Kernels.adaptiveWindows(x.shape, size: size))
  }
}

private func pooled(
  _ name: String, _ x: Tensor, _ windows: (rows: PoolingWindows, columns: PoolingWindows)
) -> Tensor {
  let shape = x.shape
  return record(name, inputs: [x], value: Kernels.averagePool(x.value, windows)) { dy in
    [Kernels.averagePoolBackward(dy, windows, shape: shape)]
  }
}
