import Kernels
import TensorCore

/// y = x Wᵀ + b, PyTorch's `linear`;  dx = dy W,  dW = dyᵀ x,  db = sum of dy over rows.
/// - x: [..., in], with any axes in front.  weight: [out, in].  bias: [out], or nil.
///   Returns [..., out].
public func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
  require(
    weight.axisCount == 2, "linear: the weight must be [out, in], not \(weight.shape)")
  require(
    x.shape.last == weight.shape[1],
    "linear: input \(x.shape) does not fit weight \(weight.shape), which takes [N, \(weight.shape[1])]; "
      + "flatten the axes after the first with Flatten()")
  guard x.axisCount == 2 else {
    let front = Array(x.shape.dropLast())
    let rows = x.reshaped([front.reduce(1, *), weight.shape[1]] as Shape)
    return linear(rows, weight: weight, bias: bias).reshaped(Shape(front + [weight.shape[0]]))
  }
  let (input, matrix) = (x.value, weight.value)
  let y = Kernels.matmul(input, matrix.transposedView, bias: bias?.value)
  let hasBias = bias != nil
  let inputs = bias.map { [x, weight, $0] } ?? [x, weight]
  return record("linear", inputs: inputs, value: y, saving: [input, matrix]) { dy, request in
    let dy = dy.contiguous()
    var gradients: [Tensor?] = [
      request.isNeeded(0) ? Kernels.matmul(dy, matrix) : nil,
      request.isNeeded(1)
        ? Kernels.matmul(dy.transposedView, input, into: request.destination(1)) : nil,
    ]
    if hasBias {
      gradients.append(
        request.isNeeded(2) ? Kernels.columnSums(dy, into: request.destination(2)) : nil)
    }
    return gradients
  }
}
