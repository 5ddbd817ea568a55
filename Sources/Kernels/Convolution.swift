import CKernels
import TensorCore

/// y[n, o, h, w] = sum of x[n, i, h stride - padding + a dilation, ...] weight[o, i, a, b] over the
/// group's input channels i and the kernel (a, b), + bias[o].
/// - x: `shape.inputShape`; weight: `shape.weightShape`; bias: [O]; one floating-point dtype.
/// - Returns: `shape.outputShape`.
public func convolve(
  _ x: Tensor, _ weight: Tensor, bias: Tensor?, _ shape: ConvolutionShape,
  precision: Precision = .float32
) -> Tensor {
  requireOperands("conv2d", [(x, shape.inputShape), (weight, shape.weightShape)])
  if let bias { requireOperands("conv2d bias", [(bias, [shape.outChannels])]) }
  let (x, weight, bias) = (x.contiguous(), weight.contiguous(), bias?.contiguous())
  let y = Tensor(uninitialized: shape.outputShape, x.dtype)
  if y.elementCount == 0 { return y }
  dispatch("conv2d", [x, weight] + (bias.map { [$0] } ?? [])) {
    let operands = [x, weight] + (bias.map { [$0] } ?? []) + [y]
    if runOneDNN(.forward, shape, hasBias: bias != nil, precision, operands) { return }
    Reference.convolve(x.floats, weight.floats, bias?.floats, y.floats, shape)
  } reference: {
    Reference.convolve(x.doubles, weight.doubles, bias?.doubles, y.doubles, shape)
  }
  return y
}

/// The gradient of the input: every dy element scattered through the kernel. Also the forward of a
/// transposed convolution.
/// - dy: `shape.outputShape`; weight: `shape.weightShape`.  Returns `shape.inputShape`.
public func convolutionInputGradient(
  _ dy: Tensor, _ weight: Tensor, _ shape: ConvolutionShape, precision: Precision = .float32
) -> Tensor {
  requireOperands("conv2d dx", [(dy, shape.outputShape), (weight, shape.weightShape)])
  let (dy, weight) = (dy.contiguous(), weight.contiguous())
  let dx = Tensor(uninitialized: shape.inputShape, dy.dtype)
  if dx.elementCount == 0 { return dx }
  dispatch("conv2d dx", [dy, weight]) {
    if runOneDNN(.inputGradient, shape, hasBias: false, precision, [dy, weight, dx]) { return }
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
  let (x, dy) = (x.contiguous(), dy.contiguous())
  let dw = result("conv2d dw", shape.weightShape, x.dtype, into: destination)
  dispatch("conv2d dw", [x, dy]) {
    if runOneDNN(.weightGradient, shape, hasBias: false, precision, [x, dy, dw]) { return }
    Reference.convolutionWeightGradient(x.floats, dy.floats, dw.floats, shape)
  } reference: {
    Reference.convolutionWeightGradient(x.doubles, dy.doubles, dw.doubles, shape)
  }
  return dw
}

/// sums[c] = the sum of x[n, c, ...] over everything but the channels. float32 is added in double.
/// - x: [N, C, ...].  Returns [C].
public func channelSums(_ x: Tensor, into destination: Tensor? = nil) -> Tensor {
  let x = x.contiguous()
  let (images, channels) = (x.shape[0], x.shape.extent(of: 1, op: "channelSums"))
  let plane = x.shape.dropFirst(2).reduce(1, *)
  let y = result("channelSums", [channels], x.dtype, into: destination)
  dispatch("channelSums", [x]) {
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

/// Whether oneDNN has done it: it takes no empty tensors, nor an output padding of a whole stride.
private func runOneDNN(
  _ pass: ConvolutionPrimitive.Pass, _ shape: ConvolutionShape, hasBias: Bool,
  _ precision: Precision, _ operands: [Tensor]
) -> Bool {
  let behind = shape.paddingBehind
  guard
    shape.batch > 0 && shape.output.product > 0
      && behind.height + shape.stride.height > 0 && behind.width + shape.stride.width > 0
  else { return false }
  let context = KernelContext.current
  context.operations &+= 2 * shape.multiplications
  var operands = operands
  // Where oneDNN has no bfloat16, float32 takes the rounded operands.
  let isRounded = precision == .bf16 && !OneDNN.hasBF16
  if isRounded { for i in 0..<2 { operands[i] = roundedToBF16(operands[i]) } }
  let key = ConvolutionPrimitive.Key(
    pass: pass, shape: shape, hasBias: hasBias, precision: isRounded ? .float32 : precision)
  context.convolution(key).run(in: context, operands.map(\.rawPointer))
  return true
}

private func roundedToBF16(_ x: Tensor) -> Tensor {
  let copy = x.copied()
  nd_round_bf16(copy.floats, copy.elementCount)
  return copy
}
