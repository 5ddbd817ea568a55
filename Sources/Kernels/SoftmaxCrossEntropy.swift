import CKernels
import System
import Tensors

/// Softmax of every row, and the sum over the rows of -log softmax[target], computed together.
/// - logits: [N, C] float32 or float64.  targets: [N] int64 in 0 ..< C.
/// - Returns: the sum (in double for either dtype) and the probabilities [N, C].
/// - Precondition: every target is in 0 ..< C; otherwise traps with its index and value.
public func softmaxCrossEntropy(
  _ logits: Tensor, _ targets: Tensor
) -> (lossSum: Double, probabilities: Tensor) {
  require(
    logits.axisCount == 2 && targets.shape == [logits.shape[0]] && targets.dtype == .int64,
    "crossEntropy: logits must be [N, C] and targets [N] int64, not \(logits.shape) and "
      + "\(targets.shape) \(targets.dtype)")
  let (rows, classes) = (logits.shape[0], logits.shape[1])
  let (logits, targets) = (logits.contiguous(), targets.contiguous())
  let labels = targets.pointer(Int64.self)
  for row in 0..<rows {
    require(
      labels[row] >= 0 && labels[row] < classes,
      "crossEntropy: target \(labels[row]) of row \(row) is not a class in 0 ..< \(classes)")
  }
  let probabilities = Tensor(uninitialized: logits.shape, logits.dtype)
  let lossSum = dispatch("crossEntropy", logits) {
    nd_softmax_cross_entropy(probabilities.floats, logits.floats, labels, rows, classes)
  } reference: {
    Reference.softmaxCrossEntropy(
      logits.doubleElements, labels, probabilities.doubleElements, rows: rows, classes: classes)
  }
  return (lossSum, probabilities)
}

/// (softmax - onehot(target)) scale.
/// - probabilities: [N, C], from `softmaxCrossEntropy`; targets: [N], the same.  Returns [N, C].
/// - destination: receives the result; may be `probabilities`; nil: a new tensor.
public func softmaxCrossEntropyBackward(
  probabilities: Tensor, targets: Tensor, scale: Double, into destination: Tensor? = nil
) -> Tensor {
  require(
    probabilities.axisCount == 2 && targets.shape == [probabilities.shape[0]],
    "crossEntropy backward: probabilities \(probabilities.shape) and targets \(targets.shape) do not "
      + "belong together")
  let (probabilities, targets) = (probabilities.contiguous(), targets.contiguous())
  let (rows, classes) = (probabilities.shape[0], probabilities.shape[1])
  let dx = result(
    "crossEntropy backward", probabilities.shape, probabilities.dtype, into: destination)
  let labels = targets.pointer(Int64.self)
  dispatch("crossEntropy backward", probabilities) {
    nd_softmax_cross_entropy_backward(
      dx.floats, probabilities.floats, labels, rows, classes, Float(scale))
  } reference: {
    Reference.softmaxCrossEntropyBackward(
      probabilities.doubleElements, labels, dx.doubleElements, rows: rows, classes: classes,
      scale: scale)
  }
  return dx
}
