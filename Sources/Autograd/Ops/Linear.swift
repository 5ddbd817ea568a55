import Kernels
import System
import Tensors

/// What a linear layer may do to its product at once.
public typealias OutputActivation = Kernels.OutputActivation

/// y = f(x Wᵀ + b), PyTorch's `linear`, with f(z) = z unless there is an `activation`;
/// dz = dy f'(z),  dx = dz W,  dW = dzᵀ x,  db = sum of dz over rows.
/// - x: [..., in], with any axes in front.  weight: [out, in].  bias: [out], or nil.
///   Returns [..., out].
/// - precision: of the operands of all three products.
/// - activation: computed along with the product, with the bits of its own op behind `linear`: z is never
///   kept, and the graph has one function that walks like two.
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
  // To rectify while the product is near costs nothing; the others are work.
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
  // What had to be copied is nobody else's.
  if input.storage === x.storage { saved.insert(.input(0)) }
  if activation != nil { saved.insert(.result) }
  let layer = LinearLayer(
    input: input, matrix: matrix, hasBias: bias != nil, precision: precision,
    output: activation.map { ($0, y) })
  return recorded(
    activation?.rawValue ?? "linear", innerName: activation == nil ? nil : "linear",
    inputs: inputs, value: value, saving: saved, .giving(layer.backward))
}

/// [..., features] as a matrix.
private func rows(_ x: Tensor) -> Tensor {
  x.axisCount == 2 ? x : x.viewed(as: Shape(x.shape.dropLast().reduce(1, *), x.shape.last!))
}

/// What a linear layer's backward pass needs.
private struct LinearLayer {
  let input: Tensor
  let matrix: Tensor
  let hasBias: Bool
  let precision: Precision
  /// What was done to the product, and its result.
  let output: (activation: OutputActivation, y: Tensor)?

  func backward(_ dy: Tensor, _ request: GradientRequest) {
    let inputShape = dy.shape.with(matrix.shape[1], at: dy.axisCount - 1)
    let dy = rows(dy.contiguous())
    let needsWeight = request.isNeeded(1)
    let needsBias = hasBias && request.isNeeded(2)
    // The parameters' gradients first, and from their ends: others may be waiting for them.
    var (weight, bias): (Tensor?, Tensor?) = (nil, nil)
    var dz = dy
    let joinsProduct = needsWeight && needsBias && isTiny
    if let output {
      if needsBias && !joinsProduct {
        (dz, bias) = Kernels.activationBackwardAndColumnSums(
          output.activation, dy, y: output.y, sums: request.destination(2))
      } else {
        dz = Kernels.activationBackward(output.activation, dy, y: output.y)
      }
    }
    if joinsProduct,
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
      let asks = request.asksWhetherFinite(1)
      var isFinite =
        asks
        && Kernels.productIsSurelyFinite(
          dz, input, terms: dz.shape[0], elementCount: matrix.elementCount)
      weight = weightGradient(dz, input, request, precision)
      if asks && !isFinite && stillNear.contains(matrix.elementCount) {
        isFinite = Kernels.isSurelyFinite(weight!)
      }
      if isFinite { request.noteFinite(1) }
    }
    let dx = request.isNeeded(0) ? Kernels.matmul(dz, matrix, precision: precision) : nil
    request.give(inputShape.count == 2 ? dx : dx?.viewed(as: inputShape), to: 0)
    request.give(weight, to: 1)
    if hasBias { request.give(bias, to: 2) }
  }

  private var isTiny: Bool { matrix.elementCount <= Kernels.tinyProductElements }
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

/// Elements of a gradient that a second-level cache holds when it has been written, but not any more when the
/// backward pass is over.
private let stillNear = 1 << 14...1 << 17

/// 256 KiB of float32: little enough that the first part of a large layer's gradient travels while
/// the rest is computed, and enough for a matrix product to be as fast as the whole.
private let blockElements = 30_720
