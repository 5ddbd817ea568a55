import Autograd
import Glibc
import System
import Tensors

/// Multi-head attention: PyTorch's MultiheadAttention, where keys and values have the same number
/// of features as queries. See `multiheadAttention` in Autograd for the formula.
/// - query [L, N, E], key and value [S, N, E]; with `isBatchFirst` [N, L, E] and [N, S, E]; or [L,
///   E] and [S, E] for one sample.
public final class MultiheadAttention: Module {
  public let featureCount: Int
  public let headCount: Int
  public let isBatchFirst: Bool
  public let inputWeight: Tensor  // [3 E, E]
  public let inputBias: Tensor?  // [3 E]
  public let output: OutputProjection

  /// Parameters are zero until `initialize(seed:)` fills them.
  /// - Precondition: `headCount` divides `featureCount`.
  public init(_ featureCount: Int, headCount: Int, bias: Bool = true, isBatchFirst: Bool = false) {
    require(
      headCount > 0 && featureCount % headCount == 0,
      "MultiheadAttention: \(featureCount) features cannot be shared between \(headCount) heads")
    self.featureCount = featureCount
    self.headCount = headCount
    self.isBatchFirst = isBatchFirst
    inputWeight = newParameter([3 * featureCount, featureCount])
    inputBias = bias ? newParameter([3 * featureCount]) : nil
    output = OutputProjection(featureCount, bias: bias)
  }

  public func visit(_ v: inout Visitor) {
    // xavier_uniform_ of the whole matrix: the bound is sqrt(6 / (E + 3 E)).
    v("in_proj_weight", inputWeight, .uniform(bound: sqrt(1.5 / Float(max(featureCount, 1)))))
    if let inputBias { v("in_proj_bias", inputBias, .uniform(bound: 0)) }
    v("out_proj", output)
  }

  /// Self-attention: the output for x as query, key and value.
  public func callAsFunction(_ x: Tensor) -> Tensor { self(query: x, key: x, value: x).output }

  /// The output, in the shape of the query, and the attention averaged over the heads: [N, L, S],
  /// or [L, S] for one sample.
  /// - mask: [L, S] or [N heads, L, S]: bool, true where attention is not allowed; or float, added
  ///   to the scores.
  public func callAsFunction(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor? = nil
  ) -> (output: Tensor, attention: Tensor) {
    let isSample = query.axisCount == 2
    func batched(_ x: Tensor) -> Tensor {
      isSample ? x.unsqueezed(0) : isBatchFirst ? x : x.transposed(0, 1)
    }
    require(
      [key, value].allSatisfy { $0.axisCount == query.axisCount }
        && [2, 3].contains(query.axisCount),
      "MultiheadAttention: query \(query.shape), key \(key.shape) and value \(value.shape) must all "
        + "have 3 axes, or all 2 (one sample)")
    let run = multiheadAttention(
      query: batched(query), key: batched(key), value: batched(value),
      weights: AttentionWeights(
        input: inputWeight, inputBias: inputBias, output: output.weight, outputBias: output.bias),
      headCount: headCount, mask: mask)
    _ = output.noted(run.output)
    if isSample { return (run.output.squeezed(axes: [0]), run.attention.squeezed(axes: [0])) }
    return (isBatchFirst ? run.output : run.output.transposed(0, 1), run.attention)
  }
}

/// The linear layer after the heads of an attention. It is a separate class because PyTorch prints
/// it under another name, and because its bias is initialized to 0.
/// - Input [N, E], output [N, E].
public final class OutputProjection: Module {
  public let weight: Tensor  // [E, E]
  public let bias: Tensor?  // [E]

  init(_ featureCount: Int, bias: Bool) {
    weight = newParameter([featureCount, featureCount])
    self.bias = bias ? newParameter([featureCount]) : nil
  }

  public func visit(_ v: inout Visitor) {
    v("weight", weight, .defaultUniform(fanIn: weight.shape[1]))
    if let bias { v("bias", bias, .uniform(bound: 0)) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { linear(x, weight: weight, bias: bias) }

  public var typeName: String { "NonDynamicallyQuantizableLinear" }
  public var extraDescription: String {
    let count = weight.shape[0]
    return "in_features=\(count), out_features=\(count), bias=\(bias == nil ? "False" : "True")"
  }
}
