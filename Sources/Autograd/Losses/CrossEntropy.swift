import Kernels
import System
import Tensors

/// L = (sum over rows of -log softmax(x)[target]) / divisor;  dx = (softmax(x) - onehot) / divisor.
///
/// With the number of rows as divisor, this is PyTorch's mean. A shard passes the number of samples
/// in the global batch, so that the losses and gradients of the shards add up to the mean of the
/// batch.
/// - logits: [N, C].  targets: [N] int64 in 0 ..< C.  Returns a scalar.
/// - Source: PyTorch's CrossEntropyLoss; the gradient follows from d logsumexp / dx = softmax.
public func crossEntropy(_ logits: Tensor, targets: Tensor, divisor: Int) -> Tensor {
  require(divisor > 0, "crossEntropy: the divisor must be positive, not \(divisor)")
  warnOnceAboutProbabilities(logits.value)
  let input = logits.value
  let (lossSum, probabilities) = Kernels.softmaxCrossEntropy(input, targets)
  let loss = lossSum / Double(divisor)
  let value = logits.dtype == .float64 ? Tensor(scalar: loss) : Tensor(scalar: Float(loss))
  var inputs = ShortList<Tensor>()
  inputs.append(logits)
  guard isRecorded(inputs) else { return value }
  // Most backward passes start at the loss, with the gradient 1. For that case the gradient is
  // computed now, in the memory of the probabilities.
  let gradient = Kernels.softmaxCrossEntropyBackward(
    probabilities: probabilities, targets: targets, scale: 1 / Double(divisor), into: probabilities)
  return recorded(
    "crossEntropy", inputs: inputs, value: value, saving: .input(0),
    .giving { dy, request in
      let factor = dy.item()
      if factor == 1 { return request.give(gradient, to: 0) }
      let probabilities = Kernels.softmaxCrossEntropy(input, targets).probabilities
      request.give(
        Kernels.softmaxCrossEntropyBackward(
          probabilities: probabilities, targets: targets, scale: factor / Double(divisor),
          into: probabilities), to: 0)
    })
}
