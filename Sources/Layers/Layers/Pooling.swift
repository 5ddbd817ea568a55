import Autograd
import Tensors

/// Takes the largest element of a window that moves over each plane.
/// - Input [N, C, H, W] or one image without N; output [N, C, H', W'],
///   H' = (H + 2 padding - kernel) / stride + 1, rounded down.
public final class MaxPool2d: Module {
  public let kernel, stride, padding: HeightWidth

  /// - stride: nil: the size of the kernel.
  public init(_ kernel: HeightWidth, stride: HeightWidth? = nil, padding: HeightWidth = 0) {
    self.kernel = kernel
    self.stride = stride ?? kernel
    self.padding = padding
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    maxPool2d(x, kernel: kernel, stride: stride, padding: padding)
  }

  public var extraDescription: String {
    "kernel_size=\(compact(kernel)), stride=\(compact(stride)), padding=\(compact(padding)), "
      + "dilation=1, ceil_mode=False"
  }
}

/// Takes the mean of a window that moves over each plane.
/// - Input and output: as for MaxPool2d.
public final class AvgPool2d: Module {
  public let kernel, stride, padding: HeightWidth
  public let countsPadding: Bool

  /// - stride: nil: the size of the kernel.
  /// - countsPadding: whether padding counts as zeros (PyTorch's default), or is left out of the
  ///   mean.
  public init(
    _ kernel: HeightWidth, stride: HeightWidth? = nil, padding: HeightWidth = 0,
    countsPadding: Bool = true
  ) {
    self.kernel = kernel
    self.stride = stride ?? kernel
    self.padding = padding
    self.countsPadding = countsPadding
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    avgPool2d(
      x, kernel: kernel, stride: stride, padding: padding, countsPadding: countsPadding)
  }

  public var extraDescription: String {
    "kernel_size=\(compact(kernel)), stride=\(compact(stride)), padding=\(compact(padding))"
  }
}

/// Takes the means of windows that together cover each plane. `size` gives the number of windows
/// along each axis, independent of the size of the input.
/// - Input [N, C, H, W] or one image without N; output [N, C] + size.
public final class AdaptiveAvgPool2d: Module {
  public let size: HeightWidth

  public init(_ size: HeightWidth) { self.size = size }

  public func callAsFunction(_ x: Tensor) -> Tensor { adaptiveAvgPool2d(x, size: size) }

  public var extraDescription: String { "output_size=\(compact(size))" }
}

/// One number if both are equal, as PyTorch's users write it; else a tuple.
private func compact(_ size: HeightWidth) -> String {
  size.height == size.width ? "\(size.height)" : "\(size)"
}
