import CKernels
import Glibc
import System
import Tensors

/// y[n, o, h, w] = sum of x[n, i, h stride - padding + a dilation, ...] weight[o, i, a, b] over the
/// group's input channels i and the kernel (a, b), + bias[o].
/// - x: `shape.inputShape`; weight: `shape.weightShape`; bias: [O]; one floating-point dtype.
/// - Returns: `shape.outputShape`, with the channels innermost if x has that layout and oneDNN
///   supports it.
public func convolve(
  _ x: Tensor, _ weight: Tensor, bias: Tensor?, _ shape: ConvolutionShape,
  precision: Precision = .float32
) -> Tensor {
  requireOperands("conv2d", [(x, shape.inputShape), (weight, shape.weightShape)])
  if let bias { requireOperands("conv2d bias", [(bias, [shape.outChannels])]) }
  let isChannelsLast = takesChannelsLast(x, shape)
  let x = isChannelsLast ? x : x.contiguous()
  let (weight, bias) = (weight.contiguous(), bias?.contiguous())
  let y = images(shape.outputShape, x.dtype, isChannelsLast)
  if y.elementCount == 0 { return y }
  dispatch("conv2d", x, weight, bias) {
    let operands = [x, weight] + (bias.map { [$0] } ?? []) + [y]
    if runOneDNN(.forward, shape, hasBias: bias != nil, isChannelsLast, precision, operands) {
      return
    }
    Reference.convolve(x.floats, weight.floats, bias?.floats, y.floats, shape)
  } reference: {
    Reference.convolve(x.doubles, weight.doubles, bias?.doubles, y.doubles, shape)
  }
  return y
}

/// The gradient of the input: every element of dy scattered through the kernel. It is also the
/// forward pass of a transposed convolution.
/// - dy: `shape.outputShape`; weight: `shape.weightShape`.  Returns `shape.inputShape`, in the
///   layout of `convolve`'s result.
/// - destination: receives it, of that shape and layout; nil: a new tensor.
public func convolutionInputGradient(
  _ dy: Tensor, _ weight: Tensor, _ shape: ConvolutionShape, into destination: Tensor? = nil,
  precision: Precision = .float32
) -> Tensor {
  requireOperands("conv2d dx", [(dy, shape.outputShape), (weight, shape.weightShape)])
  let isChannelsLast = takesChannelsLast(dy, shape)
  let (dy, weight) = (isChannelsLast ? dy : dy.contiguous(), weight.contiguous())
  let dx = destination ?? images(shape.inputShape, dy.dtype, isChannelsLast)
  require(
    dx.shape == shape.inputShape && (isChannelsLast ? dx.isChannelsLast : dx.isContiguous),
    "conv2d dx: a destination of shape \(dx.shape) for \(shape.inputShape), or laid out otherwise")
  if dx.elementCount == 0 { return dx }
  dispatch("conv2d dx", dy, weight) {
    let operands = [dy, weight, dx]
    if runOneDNN(.inputGradient, shape, hasBias: false, isChannelsLast, precision, operands) {
      return
    }
    Reference.convolutionInputGradient(dy.floats, weight.floats, dx.floats, shape)
  } reference: {
    Reference.convolutionInputGradient(dy.doubles, weight.doubles, dx.doubles, shape)
  }
  return dx
}

/// The gradient of the weight: x correlated with dy.
/// - x: `shape.inputShape`; dy: `shape.outputShape`.  Returns `shape.weightShape`.
public func convolutionWeightGradient(
  _ x: Tensor, _ dy: Tensor, _ shape: ConvolutionShape, into destination: Tensor? = nil,
  precision: Precision = .float32
) -> Tensor {
  requireOperands("conv2d dw", [(x, shape.inputShape), (dy, shape.outputShape)])
  let isChannelsLast = takesChannelsLast(x, shape)
  let (x, dy) = isChannelsLast ? (x, dy.channelsLast()) : (x.contiguous(), dy.contiguous())
  let dw = result("conv2d dw", shape.weightShape, x.dtype, into: destination)
  dispatch("conv2d dw", x, dy) {
    let operands = [x, dy, dw]
    if runOneDNN(.weightGradient, shape, hasBias: false, isChannelsLast, precision, operands) {
      return
    }
    Reference.convolutionWeightGradient(x.floats, dy.floats, dw.floats, shape)
  } reference: {
    Reference.convolutionWeightGradient(x.doubles, dy.doubles, dw.doubles, shape)
  }
  return dw
}

/// The input of a convolution in its fastest layout: the channels innermost for float32 without
/// groups, else row-major. The result then has the same layout.
public func convolutionInput(_ x: Tensor, _ shape: ConvolutionShape) -> Tensor {
  x.dtype == .float32 && shape.groups == 1 && shape.suitsOneDNN ? x.channelsLast() : x.contiguous()
}

/// Whether oneDNN reads x without a copy, with the channels innermost.
func takesChannelsLast(_ x: Tensor, _ shape: ConvolutionShape) -> Bool {
  x.dtype == .float32 && shape.groups == 1 && shape.suitsOneDNN && x.isChannelsLast
}

private func images(_ shape: Shape, _ dtype: DType, _ isChannelsLast: Bool) -> Tensor {
  isChannelsLast
    ? Tensor(uninitializedChannelsLast: shape, dtype) : Tensor(uninitialized: shape, dtype)
}

/// sums[c] = the sum of x[n, c, ...] over everything but the channels. float32 is added in double.
/// - x: [N, C, ...].  Returns [C].
public func channelSums(_ x: Tensor, into destination: Tensor? = nil) -> Tensor {
  let channels = x.shape.extent(of: 1, op: "channelSums")
  // Where each channel has one element per image, channels are columns.
  let isOnePlace = x.elementCount == x.shape[0] * channels
  if x.dtype == .float32 && x.isChannelsLast && (!x.isContiguous || isOnePlace) {
    let y = result("channelSums", [channels], x.dtype, into: destination)
    clocked {
      nd_column_sums_in_double(y.floats, x.floats, x.elementCount / max(channels, 1), channels)
    }
    return y
  }
  let x = x.contiguous()
  let images = x.shape[0]
  let plane = x.shape.dropFirst(2).reduce(1, *)
  let y = result("channelSums", [channels], x.dtype, into: destination)
  dispatch("channelSums", x) {
    for c in 0..<channels {
      var sum = 0.0
      for n in 0..<images { sum += nd_sum(x.floats + (n * channels + c) * plane, plane) }
      y.floats[c] = Float(sum)
    }
  } reference: {
    for c in 0..<channels {
      var sum = 0.0
      for n in 0..<images {
        let first = x.doubles + (n * channels + c) * plane
        for i in 0..<plane { sum += first[i] }
      }
      y.doubles[c] = sum
    }
  }
  return y
}

private func requireOperands(_ op: String, _ operands: [(tensor: Tensor, shape: Shape)]) {
  for (tensor, shape) in operands {
    require(tensor.shape == shape, "\(op): an operand of shape \(tensor.shape), not \(shape)")
  }
}

extension ConvolutionShape {
  /// oneDNN supports neither empty tensors nor an output padding of a whole stride.
  fileprivate var suitsOneDNN: Bool {
    let after = paddingAfter
    return batch > 0 && output.product > 0 && after.height + stride.height > 0
      && after.width + stride.width > 0
  }
}

/// Runs a pass in oneDNN. Returns false, and computes nothing, if oneDNN does not support the
/// shape.
private func runOneDNN(
  _ pass: ConvolutionPrimitive.Pass, _ shape: ConvolutionShape, hasBias: Bool,
  _ isChannelsLast: Bool, _ precision: Precision, _ operands: [Tensor]
) -> Bool {
  guard shape.suitsOneDNN else { return false }
  let context = KernelContext.current
  context.count(multiplications: shape.multiplications)
  var operands = operands
  // Where oneDNN has no bfloat16, the operands are rounded to it and multiplied in float32.
  let isRounded = precision == .bf16 && !OneDNN.hasBF16
  if isRounded { for i in 0..<2 { operands[i] = roundedToBF16(operands[i]) } }
  let key = ConvolutionPrimitive.Key(
    pass: pass, shape: shape, hasBias: hasBias, isChannelsLast: isChannelsLast,
    precision: isRounded ? .float32 : precision)
  context.convolution(key).run(in: context, operands)
  return true
}

/// A copy with each element rounded to bfloat16, as by `Reference.roundedToBF16`.
func roundedToBF16(_ x: Tensor) -> Tensor {
  let copy = Tensor(uninitializedLike: x)
  clocked { nd_round_operand_bf16(copy.floats, x.floats, copy.elementCount) }
  return copy
}
