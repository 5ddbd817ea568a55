import Autograd
import Glibc
import System
import Tensors

/// Multi-head attention, PyTorch's MultiheadAttention with keys and values of as many features as the
/// queries. Formula at Autograd's `multiheadAttention`.
/// - query [L, N, E], key and value [S, N, E]; [N, L, E] and so on if `isBatchFirst`; or [L, E] and
///   [S, E] of one sample.
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
    inputWeight = Tensor(zeros: [3 * featureCount, featureCount])
    inputWeight.requiresGrad = true
    inputBias = bias ? Tensor(zeros: [3 * featureCount]) : nil
    inputBias?.requiresGrad = true
    output = OutputProjection(featureCount, bias: bias)
  }

  public func visit(_ v: inout Visitor) {
    // xavier_uniform_ of the whole matrix: sqrt(6 / (E + 3 E)).
    v("in_proj_weight", inputWeight, .uniform(bound: sqrt(1.5 / Float(max(featureCount, 1)))))
    if let inputBias { v("in_proj_bias", inputBias, .uniform(bound: 0)) }
    v("out_proj", output)
  }

  /// The attention of x to itself, without its weights.
  public func callAsFunction(_ x: Tensor) -> Tensor { self(query: x, key: x, value: x).output }

  /// The output in the query's shape, and the attention averaged over the heads: [N, L, S], or [L, S]
  /// of one sample.
  /// - mask: [L, S] or [N heads, L, S]: bool, true where no attention is allowed, or float, added.
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

/// The linear layer behind the heads of an attention. A class of its own for PyTorch's name of it, and
/// for its bias, which begins at 0.
/// - Input [N, E], output [N, E].
public final class OutputProjection: Module {
  public let weight: Tensor  // [E, E]
  public let bias: Tensor?  // [E]

  init(_ featureCount: Int, bias: Bool) {
    weight = Tensor(zeros: [featureCount, featureCount])
    weight.requiresGrad = true
    self.bias = bias ? Tensor(zeros: [featureCount]) : nil
    self.bias?.requiresGrad = true
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
