import Autograd
import Tensors

/// The largest element under a window that moves over each plane.
/// - Input [N, C, H, W] or one image without N; output [N, C, H', W'],
///   H' = (H + 2 padding - kernel) / stride + 1, cut.
public final class MaxPool2d: Module {
  public let kernel, stride, padding: HeightWidth

  /// - stride: nil is the kernel's size.
  public init(_ kernel: HeightWidth, stride: HeightWidth? = nil, padding: HeightWidth = 0) {
    self.kernel = kernel
    self.stride = stride ?? kernel
    self.padding = padding
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    maxPool2d(x, kernel: kernel, stride: stride, padding: padding)
  }

  public var extraDescription: String {
    "kernel_size=\(shortest(kernel)), stride=\(shortest(stride)), padding=\(shortest(padding)), "
      + "dilation=1, ceil_mode=False"
  }
}

/// The mean under a window that moves over each plane; padding counts as zeros.
/// - Input and output as MaxPool2d's.
public final class AvgPool2d: Module {
  public let kernel, stride, padding: HeightWidth
  public let countsPadding: Bool

  /// - stride: nil is the kernel's size.
  /// - countsPadding: whether padding counts as zeros (PyTorch's default), or not at all.
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
    "kernel_size=\(shortest(kernel)), stride=\(shortest(stride)), padding=\(shortest(padding))"
  }
}

/// The means of windows that share each plane out, as many as `size` says whatever the input's size.
/// - Input [N, C, H, W] or one image without N; output [N, C] + size.
public final class AdaptiveAvgPool2d: Module {
  public let size: HeightWidth

  public init(_ size: HeightWidth) { self.size = size }

  public func callAsFunction(_ x: Tensor) -> Tensor { adaptiveAvgPool2d(x, size: size) }

  public var extraDescription: String { "output_size=\(shortest(size))" }
}

/// As one number where both are equal, which is how it is usually written.
private func shortest(_ size: HeightWidth) -> String {
  size.height == size.width ? "\(size.height)" : "\(size)"
}
