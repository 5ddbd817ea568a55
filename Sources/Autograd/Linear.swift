import Kernels
import TensorCore

/// y = x Wᵀ + b, PyTorch's `linear`;  dx = dy W,  dW = dyᵀ x,  db = sum of dy over rows.
/// - x: [..., in], with any axes in front.  weight: [out, in].  bias: [out], or nil.
///   Returns [..., out].
/// - precision: of the operands of all three products.
public func linear(
  _ x: Tensor, weight: Tensor, bias: Tensor?, precision: Precision = .float32
) -> Tensor {
  require(
    weight.axisCount == 2, "linear: the weight must be [out, in], not \(weight.shape)")
  require(
    x.shape.last == weight.shape[1],
    "linear: input \(x.shape) does not fit weight \(weight.shape), which takes [N, \(weight.shape[1])]; "
      + "flatten the axes after the first with Flatten()")
  guard x.axisCount == 2 else {
    let front = Array(x.shape.dropLast())
    let rows = x.reshaped([front.reduce(1, *), weight.shape[1]] as Shape)
    return linear(rows, weight: weight, bias: bias, precision: precision)
      .reshaped(Shape(front + [weight.shape[0]]))
  }
  let (input, matrix) = (x.value, weight.value)
  let y = Kernels.matmul(
    input, matrix.transposedView, bias: bias?.value, precision: precision)
  let hasBias = bias != nil
  let inputs = bias.map { [x, weight, $0] } ?? [x, weight]
  return record("linear", inputs: inputs, value: y, saving: [input, matrix]) { dy, request in
    let dy = dy.contiguous()
    // The parameters' gradients first, and from their ends: others may be waiting for them.
    let (weightGradient, biasGradient) = parameterGradients(
      dy, input, request, precision, hasBias: hasBias)
    let gradients = [
      request.isNeeded(0) ? Kernels.matmul(dy, matrix, precision: precision) : nil, weightGradient,
    ]
    return hasBias ? gradients + [biasGradient] : gradients
  }
}

/// dW and db; nil where nobody wants them.
private func parameterGradients(
  _ dy: Tensor, _ x: Tensor, _ request: GradientRequest, _ precision: Precision, hasBias: Bool
) -> (weight: Tensor?, bias: Tensor?) {
  let needsWeight = request.isNeeded(1)
  let needsBias = hasBias && request.isNeeded(2)
  if needsWeight, needsBias, precision == .float32,
    let (weight, bias) = Kernels.tinyProductAndColumnSums(
      dy, x, into: request.destination(1), sums: request.destination(2))
  {
    request.noteFinal(2, bias, from: 0)
    request.noteFinal(1, weight, from: 0)
    return (weight, bias)
  }
  let bias = needsBias ? Kernels.columnSums(dy, into: request.destination(2)) : nil
  if let bias { request.noteFinal(2, bias, from: 0) }
  guard needsWeight else { return (nil, bias) }
  if request.asksWhetherFinite(1),
    Kernels.productIsSurelyFinite(
      dy, x, terms: dy.shape[0], elementCount: dy.shape[1] * x.shape[1])
  {
    request.noteFinite(1)
  }
  return (weightGradient(dy, x, request, precision), bias)
}

/// dW = dyᵀ x. Where somebody waits for parts of it, large ones a block of rows at a time, the last rows
/// first; and on every machine alike where the bits may depend on the blocks.
/// - dy: [N, out].  x: [N, in].  Returns [out, in].
private func weightGradient(
  _ dy: Tensor, _ x: Tensor, _ request: GradientRequest, _ precision: Precision
) -> Tensor {
  let (rows, columns) = (dy.shape[1], x.shape[1])
  let block = max((blockElements / max(columns, 1) + 63) / 64 * 64, 64)
  let transposed = dy.transposedView
  guard rows >= 2 * block, request.isWatched || Kernels.matmulBitsDependOnExtents else {
    let gradient = Kernels.matmul(
      transposed, x, into: request.destination(1), precision: precision)
    request.noteFinal(1, gradient, from: 0)
    return gradient
  }
  let gradient =
    request.destination(1) ?? Tensor(uninitialized: [rows, columns], dy.dtype)
  for start in stride(from: 0, to: rows, by: block).reversed() {
    let count = min(block, rows - start)
    _ = Kernels.matmul(
      transposed.slicedView(axis: 0, start: start, count: count), x,
      into: gradient.slicedView(axis: 0, start: start, count: count), precision: precision)
    request.noteFinal(1, gradient, from: start * columns)
  }
  return gradient
}

/// 256 KiB of float32: little enough that the first part of a large layer's gradient travels while
/// the rest is computed, and enough for a matrix product to be as fast as the whole.
private let blockElements = 30_720
