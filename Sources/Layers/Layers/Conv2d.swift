import Autograd
import System
import Tensors

/// A 2-dimensional convolution layer: it correlates images with a kernel.
/// - Input [N, inChannels, H, W] or one image without N; output [N, outChannels, H', W'],
///   H' = (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1, rounded down.
public final class Conv2d: Module, HasPrecision {
  public let inChannels, outChannels, groups: Int
  public let kernel, stride, padding, dilation: HeightWidth
  public let weight: Tensor  // [out, in / groups, kernel height, kernel width]
  public let bias: Tensor?  // [out]
  public var precision = Precision.float32

  /// - seed: the seed of the initial values. `initialize(seed:)` of the whole network replaces
  ///   them.
  /// - Precondition: `groups` divides both numbers of channels.
  public init(
    _ inChannels: Int, _ outChannels: Int, kernel: HeightWidth, stride: HeightWidth = 1,
    padding: HeightWidth = 0, dilation: HeightWidth = 1, groups: Int = 1, bias: Bool = true,
    seed: UInt64 = 0
  ) {
    requireGroups("Conv2d", inChannels, outChannels, groups)
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.groups = groups
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    weight = newParameter([outChannels, inChannels / groups, kernel.height, kernel.width])
    self.bias = bias ? newParameter([outChannels]) : nil
    fillParameters(seed: seed)
  }

  public func visit(_ v: inout Visitor) {
    let initializer = Initializer.defaultUniform(fanIn: inChannels / groups * kernel.product)
    v("weight", weight, initializer)
    if let bias { v("bias", bias, initializer) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    conv2d(
      x, weight: weight, bias: bias, stride: stride, padding: padding, dilation: dilation,
      groups: groups, precision: precision)
  }

  /// `pool` applied to the output, computed together with it.
  func callAsFunction(_ x: Tensor, pooledBy pool: MaxPool2d) -> Tensor {
    conv2dMaxPooled(
      x, weight: weight, bias: bias, stride: stride, padding: padding, dilation: dilation,
      groups: groups, precision: precision, pool: pool.kernel, poolStride: pool.stride,
      poolPadding: pool.padding)
  }

  public var extraDescription: String {
    convolutionDescription(
      inChannels, outChannels, kernel, stride, padding, dilation, 0, groups, bias != nil)
  }
}

/// A transposed convolution layer: it computes what a Conv2d computes for the gradient of its
/// input.
/// - Input [N, inChannels, H, W] or one image without N; output [N, outChannels, H', W'],
///   H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1.
public final class ConvTranspose2d: Module, HasPrecision {
  public let inChannels, outChannels, groups: Int
  public let kernel, stride, padding, outputPadding, dilation: HeightWidth
  public let weight: Tensor  // [in, out / groups, kernel height, kernel width]
  public let bias: Tensor?  // [out]
  public var precision = Precision.float32

  /// - seed: the seed of the initial values. `initialize(seed:)` of the whole network replaces
  ///   them.
  /// - Precondition: `groups` divides both numbers of channels.
  public init(
    _ inChannels: Int, _ outChannels: Int, kernel: HeightWidth, stride: HeightWidth = 1,
    padding: HeightWidth = 0, outputPadding: HeightWidth = 0, groups: Int = 1, bias: Bool = true,
    dilation: HeightWidth = 1, seed: UInt64 = 0
  ) {
    requireGroups("ConvTranspose2d", inChannels, outChannels, groups)
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.groups = groups
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.outputPadding = outputPadding
    self.dilation = dilation
    weight = newParameter([inChannels, outChannels / groups, kernel.height, kernel.width])
    self.bias = bias ? newParameter([outChannels]) : nil
    fillParameters(seed: seed)
  }

  public func visit(_ v: inout Visitor) {
    // PyTorch counts the second axis of the weight as inputs here too.
    let initializer = Initializer.defaultUniform(fanIn: outChannels / groups * kernel.product)
    v("weight", weight, initializer)
    if let bias { v("bias", bias, initializer) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    convTranspose2d(
      x, weight: weight, bias: bias, stride: stride, padding: padding,
      outputPadding: outputPadding, groups: groups, dilation: dilation, precision: precision)
  }

  public var extraDescription: String {
    convolutionDescription(
      inChannels, outChannels, kernel, stride, padding, dilation, outputPadding, groups, bias != nil
    )
  }
}

private func requireGroups(_ layer: String, _ inChannels: Int, _ outChannels: Int, _ groups: Int) {
  require(
    groups > 0 && inChannels % groups == 0 && outChannels % groups == 0,
    "\(layer): \(inChannels) input and \(outChannels) output channels do not divide into \(groups) "
      + "groups")
}

private func convolutionDescription(
  _ inChannels: Int, _ outChannels: Int, _ kernel: HeightWidth, _ stride: HeightWidth,
  _ padding: HeightWidth, _ dilation: HeightWidth, _ outputPadding: HeightWidth, _ groups: Int,
  _ hasBias: Bool
) -> String {
  var text = "\(inChannels), \(outChannels), kernel_size=\(kernel), stride=\(stride)"
  if padding != 0 { text += ", padding=\(padding)" }
  if dilation != 1 { text += ", dilation=\(dilation)" }
  if outputPadding != 0 { text += ", output_padding=\(outputPadding)" }
  if groups != 1 { text += ", groups=\(groups)" }
  return hasBias ? text : text + ", bias=False"
}
