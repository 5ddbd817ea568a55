import Kernels
import System
import Tensors

// Losses over classes. A row is one sample, or one position of a sample in [N, C, ...], whose class
// axis is the second, as in PyTorch. The target of a row is a class, or a probability for each
// class.

/// How a loss over classes weights the classes and their targets.
public struct ClassCounting: Sendable, Equatable {
  /// The weight of each class; nil: 1 for all.
  public let weights: [Double]?
  /// Rows with this target are ignored.
  public let ignoredTarget: Int?
  /// The part of a row's target that is distributed evenly over all classes, in 0 ... 1 (Szegedy et
  /// al., 2016).
  public let labelSmoothing: Double

  /// - Precondition: 0 <= labelSmoothing <= 1.
  public init(weights: [Double]? = nil, ignoredTarget: Int? = nil, labelSmoothing: Double = 0) {
    require(
      0 <= labelSmoothing && labelSmoothing <= 1,
      "crossEntropy: label smoothing must be in 0 ... 1, not \(labelSmoothing)")
    self.weights = weights
    self.ignoredTarget = ignoredTarget
    self.labelSmoothing = labelSmoothing
  }

  /// The divisor of the mean over `targets`: the sum of the weights of their classes, without
  /// ignored targets. The counts of the parts of a batch add up to the count of the batch.
  /// - targets: int64, any shape.
  public func count(_ targets: Tensor) -> Double {
    targets.values(Int64.self).reduce(0) { sum, target in
      if Int(target) == ignoredTarget { return sum }
      guard let weights else { return sum + 1 }
      require(
        weights.indices.contains(Int(target)),
        "crossEntropy: target \(target) is not a class in 0 ..< \(weights.count)")
      return sum + weights[Int(target)]
    }
  }
}

/// L = (sum over rows of w[t] (-log softmax(x)[t])) / divisor, where t is the target of a row and
/// w[t] the weight of its class. Label smoothing s replaces the target by 1 - s of it and s / C of
/// every class.
/// - logits: [N, C], [N, C, ...] or [C].  targets: int64, the logits' shape without C.
/// - divisor: nil: `counting.count(targets)`, PyTorch's mean.  Returns a scalar.
/// - Precondition: targets are classes or ignored.
/// - Source: PyTorch's CrossEntropyLoss.
public func crossEntropy(
  _ logits: Tensor, targets: Tensor, counting: ClassCounting, divisor: Double? = nil
) -> Tensor {
  let rows = classRows(logits, targets: targets, "crossEntropy")
  let shares = classShares(rows.x, rows.targets, counting, "crossEntropy")
  return crossEntropy(
    rows.x, shares: shares, divisor: divisor ?? counting.count(targets))
}

/// L = (sum over rows and classes of -w[c] q[c] log softmax(x)[c]) / divisor, where q are the
/// target probabilities of a row after smoothing.
/// - logits: [N, C], [N, C, ...] or [C].  probabilities: the same shape and dtype; they get
///   gradients, too.
/// - divisor: nil: the number of rows, PyTorch's mean.  Returns a scalar.
public func crossEntropy(
  _ logits: Tensor, probabilities: Tensor, counting: ClassCounting = ClassCounting(),
  divisor: Double? = nil
) -> Tensor {
  require(
    logits.shape == probabilities.shape && logits.dtype == probabilities.dtype,
    "crossEntropy: logits of \(logits.dtype) \(logits.shape) and target probabilities of "
      + "\(probabilities.dtype) \(probabilities.shape) must have one shape and dtype")
  let (x, q) = (classRows(logits, "crossEntropy"), classRows(probabilities, "crossEntropy"))
  let classes = x.shape[1]
  let smoothed =
    counting.labelSmoothing == 0
    ? q : q * (1 - counting.labelSmoothing) + counting.labelSmoothing / Double(classes)
  let weighted =
    counting.weights.map {
      smoothed * classWeights($0, classes, like: x, "crossEntropy")
    } ?? smoothed
  return crossEntropy(x, shares: weighted, divisor: divisor ?? Double(x.shape[0]))
}

/// L = (sum over rows of -w[t] x[t]) / divisor, where x are log-probabilities and t is the target
/// of a row.
/// - logProbabilities: [N, C], [N, C, ...] or [C].  targets: int64, that shape without C.
/// - divisor: nil: `counting.count(targets)`, PyTorch's mean.  Returns a scalar.
/// - Source: PyTorch's NLLLoss.
public func negativeLogLikelihood(
  _ logProbabilities: Tensor, targets: Tensor, counting: ClassCounting = ClassCounting(),
  divisor: Double? = nil
) -> Tensor {
  let name = "negativeLogLikelihood"
  let (x, labels) = classRows(logProbabilities, targets: targets, name)
  let shares = classShares(x, labels, counting, name)
  let divisor = divisor ?? counting.count(targets)
  // Where the share is 0 the term is 0: its product with a log-probability of -inf would be NaN.
  let chosen = Tensor.where(shares .== 0, shares, shares * x.value)
  let loss = -Kernels.reduce(.sum, chosen) / divisor
  return record(name, inputs: [x], value: loss) { dy in [shares * (-dy / divisor)] }
}

/// L = (sum of -q log softmax(x)) / divisor;  dx = (softmax(x) sum(q) - q) / divisor, with the sum
/// of q over the row;  dq = -log softmax(x) / divisor.
/// - x, shares (q): [N, C], same dtype.
private func crossEntropy(_ x: Tensor, shares: Tensor, divisor: Double) -> Tensor {
  warnOnceAboutProbabilities(x.value)
  let (logits, q) = (x.value, shares.value)
  // The maximum is subtracted first. Added to the logarithm later, it would round away a small
  // loss.
  let shifted = logits - logits.max(axes: [1], keepAxes: true)
  let logProbabilities = shifted - shifted.exp().sum(axes: [1], keepAxes: true).log()
  // Where the share is 0 the term is 0: its product with a log-probability of -inf would be NaN.
  let terms = Tensor.where(q .== 0, q, q * logProbabilities)
  let loss = -Kernels.reduce(.sum, terms) / divisor
  return record("crossEntropy", inputs: [x, shares], value: loss) { dy, request in
    let scale = dy / divisor
    let dx = (logProbabilities.exp() * q.sum(axes: [1], keepAxes: true) - q) * scale
    return [dx, request.isNeeded(1) ? -logProbabilities * scale : nil]
  }
}

/// Reshapes [N, C], [N, C, ...] or [C] to rows [rows, C].
private func classRows(_ x: Tensor, _ name: String) -> Tensor {
  require(
    x.axisCount >= 1 && x.dtype.isFloatingPoint,
    "\(name): needs [N, C] or [C] of float32 or float64, not \(x.dtype) \(x.shape)")
  if x.axisCount == 2 { return x }
  if x.axisCount == 1 { return x.reshaped([1, x.shape[0]] as Shape) }
  let positions = Array(2..<x.axisCount)
  let classes = x.shape[1]
  let rows = x.elementCount / max(classes, 1)
  return x.permuted([0] + positions + [1]).reshaped([rows, classes] as Shape)
}

/// The rows of x and their targets.
private func classRows(_ x: Tensor, targets: Tensor, _ name: String) -> (x: Tensor, targets: Tensor)
{
  let expected = Shape(x.shape.indices.filter { $0 != min(1, x.axisCount - 1) }.map { x.shape[$0] })
  require(
    targets.shape == expected && targets.dtype == .int64,
    "\(name): a prediction of shape \(x.shape) takes targets \(expected) of int64, not "
      + "\(targets.shape) of \(targets.dtype); class indices, one for each sample")
  return (classRows(x, name), targets.viewed(as: [targets.elementCount]))
}

/// The target of each row as a share of each class: w[t] at the target and 0 elsewhere, then
/// smoothed.
/// - x: [N, C].  targets: [N].  Returns [N, C] of x's dtype.
private func classShares(
  _ x: Tensor, _ targets: Tensor, _ counting: ClassCounting, _ name: String
) -> Tensor {
  let (rows, classes) = (x.shape[0], x.shape[1])
  let weights = counting.weights ?? [Double](repeating: 1, count: classes)
  requireWeights(weights, classes, name)
  let smoothing = counting.labelSmoothing
  let labels = targets.values(Int64.self)
  var shares = [Double](repeating: 0, count: rows * classes)
  for (row, label) in labels.enumerated() where Int(label) != counting.ignoredTarget {
    require(
      label >= 0 && label < classes,
      "\(name): target \(label) of row \(row) is not a class in 0 ..< \(classes)")
    if smoothing > 0 {
      for c in 0..<classes { shares[row * classes + c] = smoothing / Double(classes) * weights[c] }
    }
    shares[row * classes + Int(label)] += (1 - smoothing) * weights[Int(label)]
  }
  return Kernels.converted(Tensor(shares, shape: [rows, classes]), to: x.dtype)
}

private func classWeights(
  _ weights: [Double], _ classes: Int, like x: Tensor, _ name: String
) -> Tensor {
  requireWeights(weights, classes, name)
  return Kernels.converted(Tensor(weights, shape: [classes]), to: x.dtype)
}

private func requireWeights(_ weights: [Double], _ classes: Int, _ name: String) {
  require(
    weights.count == classes, "\(name): \(weights.count) class weights for \(classes) classes")
}
