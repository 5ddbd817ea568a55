import Kernels
import System
import Tensors

/// The weights of a multi-head attention with E features.
public struct AttentionWeights {
  public let input: Tensor  // [3 E, E]: for queries, keys and values
  public let inputBias: Tensor?  // [3 E]
  public let output: Tensor  // [E, E]
  public let outputBias: Tensor?  // [E]

  public init(input: Tensor, inputBias: Tensor?, output: Tensor, outputBias: Tensor?) {
    self.input = input
    self.inputBias = inputBias
    self.output = output
    self.outputBias = outputBias
  }
}

/// Multi-head attention (Vaswani et al., 2017, section 3.2.2), as PyTorch computes it. In each head
/// A = softmax(Q Kᵀ / sqrt(E / heads) + mask); a linear layer is applied to the concatenation of
/// all A V.
/// - Parameters:
///   - query: [N, L, E].  key, value: [N, S, E].
///   - mask: [L, S] or [N heads, L, S]: bool, true where attention is not allowed; or of the
///     query's dtype, added to the scores. nil: no mask.
/// - Returns: the output [N, L, E], and the attention A averaged over the heads, [N, L, S].
/// - Precondition: `headCount` divides E; shapes as above.
public func multiheadAttention(
  query: Tensor, key: Tensor, value: Tensor, weights: AttentionWeights, headCount: Int,
  mask: Tensor? = nil
) -> (output: Tensor, attention: Tensor) {
  let features = weights.output.shape[0]
  require(
    query.axisCount == 3 && query.shape[2] == features && key.shape == value.shape
      && key.axisCount == 3 && key.shape[0] == query.shape[0] && key.shape[2] == features,
    "multiheadAttention: query \(query.shape), key \(key.shape) and value \(value.shape) are not "
      + "[N, L, \(features)], [N, S, \(features)] and [N, S, \(features)]")
  let (samples, length, sources) = (query.shape[0], query.shape[1], key.shape[1])
  let width = features / headCount

  // Applies a linear layer and splits the result into heads: [N heads, steps, width].
  let matrices = pieces(weights.input, axis: 0, count: 3)
  let biases = weights.inputBias.map { pieces($0, axis: 0, count: 3) }
  func projected(_ x: Tensor, _ index: Int) -> Tensor {
    let steps = x.shape[1]
    let rows = x.reshaped([samples * steps, features] as Shape)
    return linear(rows, weight: matrices[index], bias: biases?[index])
      .reshaped([samples, steps, headCount, width] as Shape).permuted([0, 2, 1, 3])
      .reshaped([samples * headCount, steps, width] as Shape)
  }
  let q = projected(query, 0) * (1 / Double(width)).squareRoot()
  let (k, v) = (projected(key, 1), projected(value, 2))

  var scores = q.matmul(k.permuted([0, 2, 1]))
  if let mask {
    let shape: Shape = [samples * headCount, length, sources]
    require(
      mask.shape == shape || mask.shape == [length, sources],
      "multiheadAttention: a mask of shape \(mask.shape) is neither [\(length), \(sources)] nor "
        + "\(shape)")
    let added =
      mask.dtype == .bool
      ? Tensor.where(mask, scores.scalar(-.infinity), scores.scalar(0)) : mask
    scores = scores + added
  }
  let attention = softmaxOfRows(scores)
  let heads = attention.matmul(v)
    .reshaped([samples, headCount, length, width] as Shape).permuted([0, 2, 1, 3])
    .reshaped([samples * length, features] as Shape)
  let output = linear(heads, weight: weights.output, bias: weights.outputBias)
  let averaged = attention.reshaped([samples, headCount, length, sources] as Shape).mean(axes: [1])
  return (output.reshaped([samples, length, features] as Shape), averaged)
}

/// y = softmax(x) along the last axis;  dx = y (dy - sum of y dy along it). Unlike
/// `softmax(axis:)`, which sums in double, it sums in the dtype of x.
private func softmaxOfRows(_ x: Tensor) -> Tensor {
  let powers = (x.value - x.value.max(axes: [-1], keepAxes: true)).exp()
  let y = powers / powers.sum(axes: [-1], keepAxes: true)
  return record("softmax", inputs: [x], value: y) { dy in
    [y * (dy - (y * dy).sum(axes: [-1], keepAxes: true))]
  }
}
