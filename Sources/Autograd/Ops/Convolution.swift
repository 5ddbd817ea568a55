import Kernels
import System
import Tensors

// N images, C input channels, O output channels, H rows, W columns. All functions also take a
// single image [C, H, W].

/// Runs `body` on [N, C, H, W]. A single image [C, H, W] is passed with N = 1, and the result is a
/// single image, too.
func withImages(_ x: Tensor, _ body: (Tensor) -> Tensor) -> Tensor {
  guard x.axisCount == 3 else { return body(x) }
  return body(x.unsqueezed(0)).squeezed(axes: [0])
}

/// y[n, o] = sum over the group's channels i of x[n, i] correlated with weight[o, i], + bias[o],
/// PyTorch's `conv2d`;  dx = the transposed convolution of dy with the weight,  dweight = x
/// correlated with dy,  dbias = sum of dy over images and positions.
/// - x: [N, C, H, W] or [C, H, W].  weight: [O, C / groups, kH, kW].  bias: [O], or nil.
/// - precision: of the operands of the output and of both gradients.
/// - Returns: [N, O, H', W'], H' = (H + 2 padding - dilation (kH - 1) - 1) / stride + 1, rounded
///   down.
/// - Precondition: channels of x, weight and groups that fit; a kernel not larger than the padded
///   input.
public func conv2d(
  _ x: Tensor, weight: Tensor, bias: Tensor? = nil, stride: HeightWidth = 1,
  padding: HeightWidth = 0, dilation: HeightWidth = 1, groups: Int = 1,
  precision: Precision = .float32
) -> Tensor {
  withImages(x) { x in
    let s = ConvolutionShape(
      x: x.shape, weight: weight.shape, stride: stride, padding: padding, dilation: dilation,
      groups: groups)
    // The prepared input is kept: the gradient of the weight reads it again.
    let (input, kernel) = (Kernels.convolutionInput(x.value, s), weight.value)
    let y = Kernels.convolve(input, kernel, bias: bias?.value, s, precision: precision)
    let hasBias = bias != nil
    return record("conv2d", inputs: [x, weight] + (bias.map { [$0] } ?? []), value: y) {
      dy, request in
      let dy = dy.laidOut(like: y)
      var gradients: [Tensor?] = [
        request.isNeeded(0)
          ? Kernels.convolutionInputGradient(dy, kernel, s, precision: precision) : nil,
        request.isNeeded(1)
          ? Kernels.convolutionWeightGradient(
            input, dy, s, into: request.destination(1), precision: precision) : nil,
      ]
      if hasBias {
        gradients.append(
          request.isNeeded(2) ? Kernels.channelSums(dy, into: request.destination(2)) : nil)
      }
      return gradients
    }
  }
}

/// `maxPool2d` of `conv2d`, computed together where possible. With windows of 2 x 2 each image is
/// pooled directly after its convolution, and the output of the convolution is not kept. The sums
/// are then added up in another order than in `conv2d`. The gradients use only the largest elements
/// of the windows: a dy of 0 contributes nothing, even if it would be multiplied by an infinite or
/// NaN value.
/// - x, weight, bias, stride, padding, dilation, groups, precision: as for `conv2d`.
/// - pool, poolStride, poolPadding: kernel, stride and padding of `maxPool2d`.
public func conv2dMaxPooled(
  _ x: Tensor, weight: Tensor, bias: Tensor? = nil, stride: HeightWidth = 1,
  padding: HeightWidth = 0, dilation: HeightWidth = 1, groups: Int = 1,
  precision: Precision = .float32, pool: HeightWidth, poolStride: HeightWidth? = nil,
  poolPadding: HeightWidth = 0
) -> Tensor {
  withImages(x) { x in
    let s = ConvolutionShape(
      x: x.shape, weight: weight.shape, stride: stride, padding: padding, dilation: dilation,
      groups: groups)
    let (input, kernel) = (Kernels.convolutionInput(x.value, s), weight.value)
    guard
      let both = Kernels.PooledConvolution(
        input, s, window: pool, stride: poolStride ?? pool, padding: poolPadding,
        precision: precision)
    else {
      let y = conv2d(
        x, weight: weight, bias: bias, stride: stride, padding: padding, dilation: dilation,
        groups: groups, precision: precision)
      return maxPool2d(y, kernel: pool, stride: poolStride, padding: poolPadding)
    }
    let (y, places) = both.forward(input, kernel, bias: bias?.value)
    let hasBias = bias != nil
    return record(
      "conv2dMaxPooled", inputs: [x, weight] + (bias.map { [$0] } ?? []), value: y,
      saving: [input, kernel]
    ) { dy, request in
      let biasGradient =
        hasBias && request.isNeeded(2)
        ? both.biasGradient(dy, into: request.destination(2)) : nil
      let (dx, dw) = both.gradients(
        dy, places: places, input, kernel, wantsInput: request.isNeeded(0),
        wantsWeight: request.isNeeded(1), into: request.destination(1))
      return hasBias ? [dx, dw, biasGradient] : [dx, dw]
    }
  }
}

/// The transposed convolution, PyTorch's `conv_transpose2d`: the dx of a `conv2d` with this weight
/// and dy = x, plus bias[o]. So dx = `conv2d` of dy with the weight,  dweight = dy correlated with
/// x, dbias = sum of dy over images and positions.
/// - x: [N, C, H, W] or [C, H, W].  weight: [C, O / groups, kH, kW].  bias: [O], or nil.
/// - precision: of the operands of the output and of both gradients.
/// - Returns: [N, O, H', W'], H' = (H - 1) stride - 2 padding + dilation (kH - 1) + outputPadding +
///   1.
/// - Precondition: channels of x, weight and groups that fit; outputPadding less than the stride or
///   the dilation.
public func convTranspose2d(
  _ x: Tensor, weight: Tensor, bias: Tensor? = nil, stride: HeightWidth = 1,
  padding: HeightWidth = 0, outputPadding: HeightWidth = 0, groups: Int = 1,
  dilation: HeightWidth = 1, precision: Precision = .float32
) -> Tensor {
  withImages(x) { x in
    let s = ConvolutionShape(
      transposedOf: x.shape, weight: weight.shape, stride: stride, padding: padding,
      outputPadding: outputPadding, dilation: dilation, groups: groups)
    let (input, kernel) = (x.value, weight.value)
    var y = Kernels.convolutionInputGradient(input, kernel, s, precision: precision)
    if let bias {
      require(
        bias.shape == [s.inChannels],
        "convTranspose2d: a bias of shape \(bias.shape) for \(s.inChannels) output channels")
      y = Kernels.apply(.add, y, bias.value.viewed(as: [s.inChannels, 1, 1]))
    }
    let hasBias = bias != nil
    return record("convTranspose2d", inputs: [x, weight] + (bias.map { [$0] } ?? []), value: y) {
      dy, request in
      let dy = dy.contiguous()
      var gradients: [Tensor?] = [
        request.isNeeded(0)
          ? Kernels.convolve(dy, kernel, bias: nil, s, precision: precision) : nil,
        request.isNeeded(1)
          ? Kernels.convolutionWeightGradient(
            dy, input, s, into: request.destination(1), precision: precision) : nil,
      ]
      if hasBias {
        gradients.append(
          request.isNeeded(2) ? Kernels.channelSums(dy, into: request.destination(2)) : nil)
      }
      return gradients
    }
  }
}
