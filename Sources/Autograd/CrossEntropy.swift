import Kernels
import TensorCore

/// L = (sum over rows of -log softmax(x)[target]) / divisor;  dx = (softmax(x) - onehot) / divisor.
///
/// With the number of rows as divisor it is PyTorch's mean; a shard passes the number of samples of
/// the whole global batch, so that the shards' losses and gradients add up to the batch's mean.
/// - logits: [N, C].  targets: [N] int64 in 0 ..< C.  Returns a scalar.
/// - Source: PyTorch's CrossEntropyLoss; the gradient follows from d logsumexp / dx = softmax.
public func crossEntropy(_ logits: Tensor, targets: Tensor, divisor: Int) -> Tensor {
  require(divisor > 0, "crossEntropy: the divisor must be positive, not \(divisor)")
  warnOnceAboutProbabilities(logits.value)
  let (lossSum, probabilities) = Kernels.softmaxCrossEntropy(logits.value, targets)
  let loss = lossSum / Double(divisor)
  let value = logits.dtype == .float64 ? Tensor(scalar: loss) : Tensor(scalar: Float(loss))
  return record("crossEntropy", input: logits, value: value, saving: .all) { dy in
    Kernels.softmaxCrossEntropyBackward(
      probabilities: probabilities, targets: targets, scale: dy.item() / Double(divisor))
  }
}
