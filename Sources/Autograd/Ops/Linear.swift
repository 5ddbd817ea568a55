import Kernels
import System
import Tensors

/// An activation that a linear layer can compute together with its product.
public typealias OutputActivation = Kernels.OutputActivation

/// y = f(z), z = x Wᵀ + b, where f is the `activation`, or f(z) = z without one. PyTorch's
/// `linear`. dz = dy f'(z),  dx = dz W,  dW = dzᵀ x,  db = sum of dz over rows.
/// - x: [..., in], with any number of axes before the last.  weight: [out, in].  bias: [out], or
///   nil. Returns [..., out].
/// - precision: of the operands of all three products.
/// - activation: computed together with the product. The bits are those of a separate op after
///   `linear`, but z is not kept. The graph has one node, which appears as two when the graph is
///   walked.
public func linear(
  _ x: Tensor, weight: Tensor, bias: Tensor?, precision: Precision = .float32,
  activation: OutputActivation? = nil
) -> Tensor {
  require(
    weight.axisCount == 2, "linear: the weight must be [out, in], not \(weight.shape)")
  require(
    x.shape.last == weight.shape[1],
    "linear: input \(x.shape) does not fit weight \(weight.shape), which takes [N, \(weight.shape[1])]; "
      + "flatten the axes after the first with Flatten()")
  let (input, matrix) = (rows(x.value), weight.value)
  // ReLU inside the matrix product costs nothing. The other activations are expensive in any case.
  var y = Kernels.matmul(
    input, matrix.transposedView, bias: bias?.value, precision: precision,
    isRectified: activation == .relu)
  if let activation, activation != .relu { y = Kernels.activated(y, by: activation) }
  let value =
    x.axisCount == 2 ? y : y.viewed(as: x.shape.with(weight.shape[0], at: x.axisCount - 1))
  var inputs = ShortList<Tensor>()
  inputs.append(x)
  inputs.append(weight)
  if let bias { inputs.append(bias) }
  guard isRecorded(inputs) else { return value }
  var saved: SavedOperands = .input(1)
  // A copy of x is exclusively owned, so it cannot be changed in place by others.
  if input.storage === x.storage { saved.insert(.input(0)) }
  if activation != nil { saved.insert(.result) }
  let layer = LinearLayer(
    input: input, matrix: matrix, hasBias: bias != nil, precision: precision,
    output: activation.map { ($0, y) })
  return recorded(
    activation?.rawValue ?? "linear", innerName: activation == nil ? nil : "linear",
    inputs: inputs, value: value, saving: saved, .giving(layer.backward))
}

/// Reshapes [..., features] to a matrix [rows, features].
private func rows(_ x: Tensor) -> Tensor {
  x.axisCount == 2 ? x : x.viewed(as: Shape(x.shape.dropLast().reduce(1, *), x.shape.last!))
}

/// The values that the backward pass of a linear layer needs.
private struct LinearLayer {
  let input: Tensor
  let matrix: Tensor
  let hasBias: Bool
  let precision: Precision
  /// The activation and its result y; nil without an activation.
  let output: (activation: OutputActivation, y: Tensor)?

  func backward(_ dy: Tensor, _ request: GradientRequest) {
    let inputShape = dy.shape.with(matrix.shape[1], at: dy.axisCount - 1)
    let dy = rows(dy.contiguous())
    let needsWeight = request.isNeeded(1)
    let needsBias = hasBias && request.isNeeded(2)
    // The gradients of the parameters first, starting at their ends: an observer may wait for them.
    var (weight, bias): (Tensor?, Tensor?) = (nil, nil)
    var dz = dy
    let fusesColumnSums = needsWeight && needsBias && isTiny
    if let output {
      if needsBias && !fusesColumnSums {
        (dz, bias) = Kernels.activationBackwardAndColumnSums(
          output.activation, dy, y: output.y, sums: request.destination(2))
      } else {
        dz = Kernels.activationBackward(output.activation, dy, y: output.y)
      }
    }
    if fusesColumnSums,
      let both = Kernels.tinyProductAndColumnSums(
        dz, input, into: request.destination(1), sums: request.destination(2),
        precision: precision)
    {
      (weight, bias) = both
    }
    if needsBias && bias == nil { bias = Kernels.columnSums(dz, into: request.destination(2)) }
    if let bias { request.noteFinal(2, bias, from: 0) }
    if let weight {
      request.noteFinal(1, weight, from: 0)
    } else if needsWeight {
      weight = weightGradient(dz, input, request, precision)
    }
    let dx = request.isNeeded(0) ? Kernels.matmul(dz, matrix, precision: precision) : nil
    request.give(inputShape.count == 2 ? dx : dx?.viewed(as: inputShape), to: 0)
    request.give(weight, to: 1)
    if hasBias { request.give(bias, to: 2) }
  }

  private var isTiny: Bool { matrix.elementCount <= Kernels.tinyProductElements }
}

/// dW = dyᵀ x. If the pass is observed, a large gradient is computed in blocks of rows, the last
/// rows first, so that each block can be reported as soon as it is final. If the bits can depend on
/// the blocks, every machine uses the blocks, observed or not, so that all compute the same bits.
/// - dy: [N, out].  x: [N, in].  Returns [out, in].
private func weightGradient(
  _ dy: Tensor, _ x: Tensor, _ request: GradientRequest, _ precision: Precision
) -> Tensor {
  let (rows, columns) = (dy.shape[1], x.shape[1])
  let block = max((blockElements / max(columns, 1) + 63) / 64 * 64, 64)
  let transposed = dy.transposedView
  guard rows >= 2 * block, request.isObserved || Kernels.matmulBitsDependOnExtents else {
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

/// 120 KiB of float32. Small enough that the first block of a large layer's gradient is sent while
/// the rest is computed, and large enough that the product of a block is as fast as the whole
/// product.
private let blockElements = 30_720
