import System
import Tensors

// N images, C channels, H rows, W columns. A tap is one term of an output element's sum: an input
// element times a weight.

/// The shapes and parameters of a 2-d convolution, without its values.
public struct ConvolutionShape: Hashable, Sendable {
  public let batch, inChannels, outChannels, groups: Int
  public let input, output, kernel, stride, padding, dilation: HeightWidth

  /// The convolution of x [N, C, H, W] by weight [O, C / groups, kH, kW], whose output has
  /// (H + 2 padding - dilation (kH - 1) - 1) / stride + 1 rows, and columns likewise.
  /// - Precondition: the channels fit, the kernel is not larger than the padded input.
  public init(
    x: Shape, weight: Shape, stride: HeightWidth, padding: HeightWidth, dilation: HeightWidth,
    groups: Int
  ) {
    requireWindow("conv2d", weight, stride, padding, dilation, groups)
    require(
      x.count == 4 && x[1] == weight[1] * groups,
      "conv2d: input \(x) does not fit weight \(weight)\(groups == 1 ? "" : " in \(groups) groups"), "
        + "which takes [N, \(weight[1] * groups), H, W]; check the layer's input channels")
    require(
      weight[0] % groups == 0,
      "conv2d: the \(weight[0]) output channels of weight \(weight) do not divide into \(groups) groups"
    )
    func extent(_ input: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int) -> Int
    {
      let reach = dilation * (kernel - 1) + 1
      require(
        input + 2 * padding >= reach,
        "conv2d: the kernel of weight \(weight) reaches over \(reach) elements, more than the padded "
          + "input \(x) has (\(input + 2 * padding)); pad more or use a smaller kernel")
      return (input + 2 * padding - reach) / stride + 1
    }
    self.init(
      batch: x[0], inChannels: x[1], outChannels: weight[0], groups: groups,
      input: HeightWidth(x[2], x[3]),
      output: HeightWidth(
        extent(x[2], weight[2], stride.height, padding.height, dilation.height),
        extent(x[3], weight[3], stride.width, padding.width, dilation.width)),
      kernel: HeightWidth(weight[2], weight[3]), stride: stride, padding: padding,
      dilation: dilation)
  }

  /// The convolution whose input gradient is the transposed convolution of x [N, C, H, W] by weight
  /// [C, O / groups, kH, kW]. The shape of its output is x's, and the shape of its input is the
  /// result's. The result has (H - 1) stride - 2 padding + dilation (kH - 1) + outputPadding + 1
  /// rows.
  /// - Precondition: the channels fit, the result is not empty, outputPadding < max(stride,
  ///   dilation).
  public init(
    transposedOf x: Shape, weight: Shape, stride: HeightWidth, padding: HeightWidth,
    outputPadding: HeightWidth, dilation: HeightWidth, groups: Int
  ) {
    requireWindow("convTranspose2d", weight, stride, padding, dilation, groups)
    require(
      x.count == 4 && x[1] == weight[0] && x[1] % groups == 0,
      "convTranspose2d: input \(x) does not fit weight \(weight) in \(groups) groups, which takes "
        + "[N, \(weight[0]), H, W]; check the layer's input channels")
    func extent(
      _ input: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int, _ extra: Int
    ) -> Int {
      require(
        extra >= 0 && extra < max(stride, dilation),
        "convTranspose2d: the output padding \(extra) must be less than the stride or the dilation")
      let extent = (input - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
      require(
        extent > 0,
        "convTranspose2d: input \(x) by weight \(weight) gives \(extent) rows or columns")
      return extent
    }
    self.init(
      batch: x[0], inChannels: weight[1] * groups, outChannels: x[1], groups: groups,
      input: HeightWidth(
        extent(
          x[2], weight[2], stride.height, padding.height, dilation.height, outputPadding.height),
        extent(x[3], weight[3], stride.width, padding.width, dilation.width, outputPadding.width)),
      output: HeightWidth(x[2], x[3]), kernel: HeightWidth(weight[2], weight[3]), stride: stride,
      padding: padding, dilation: dilation)
  }

  private init(
    batch: Int, inChannels: Int, outChannels: Int, groups: Int, input: HeightWidth,
    output: HeightWidth, kernel: HeightWidth, stride: HeightWidth, padding: HeightWidth,
    dilation: HeightWidth
  ) {
    self.batch = batch
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.groups = groups
    self.input = input
    self.output = output
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
  }

  /// The same convolution for `batch` images.
  func withBatch(_ batch: Int) -> ConvolutionShape {
    ConvolutionShape(
      batch: batch, inChannels: inChannels, outChannels: outChannels, groups: groups, input: input,
      output: output, kernel: kernel, stride: stride, padding: padding, dilation: dilation)
  }

  /// The number of products in the sums of all output elements. All three passes have the same
  /// number.
  var multiplications: Int {
    batch * outChannels * output.product * (inChannels / groups) * kernel.product
  }

  public var inputShape: Shape { [batch, inChannels, input.height, input.width] }
  public var outputShape: Shape { [batch, outChannels, output.height, output.width] }
  public var weightShape: Shape {
    [outChannels, inChannels / groups, kernel.height, kernel.width]
  }

  /// The padding after the input's last row and column that the last tap reaches; negative where
  /// the stride leaves rows unread.
  var paddingAfter: HeightWidth {
    func after(
      _ input: Int, _ output: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int
    ) -> Int { (output - 1) * stride + dilation * (kernel - 1) + 1 - input - padding }
    return HeightWidth(
      after(
        input.height, output.height, kernel.height, stride.height, padding.height, dilation.height),
      after(input.width, output.width, kernel.width, stride.width, padding.width, dilation.width))
  }
}

private func requireWindow(
  _ op: String, _ weight: Shape, _ stride: HeightWidth, _ padding: HeightWidth,
  _ dilation: HeightWidth, _ groups: Int
) {
  require(
    weight.count == 4 && weight.elementCount > 0,
    "\(op): the weight must have 4 axes and elements, not shape \(weight)")
  require(
    min(stride.height, stride.width) > 0 && min(dilation.height, dilation.width) > 0 && groups > 0
      && min(padding.height, padding.width) >= 0,
    "\(op): stride \(stride), dilation \(dilation) and groups \(groups) must be positive, padding "
      + "\(padding) not negative")
}
