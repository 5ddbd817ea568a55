import Autograd
import Tensors

/// Gated recurrent units (Cho et al., 2014), PyTorch's GRU. See RecurrentCell for the formulas.
/// - Input [T, N, F], [N, T, F] if `isBatchFirst`, or [T, F] for one sample. Output: the hidden
///   states of the last layer, [T, N, D H], [N, T, D H] or [T, D H] (T steps, N samples, F input
///   features, D directions, H hidden features).
public final class GRU: Module {
  let stack: RecurrentStack

  /// Parameters are zero until `initialize(seed:)` fills them.
  public init(
    _ inputSize: Int, _ hiddenSize: Int, layerCount: Int = 1, bias: Bool = true,
    isBatchFirst: Bool = false, isBidirectional: Bool = false
  ) {
    stack = RecurrentStack(
      .gru, inputSize, hiddenSize, layerCount, bias, isBatchFirst, isBidirectional)
  }

  public func visit(_ v: inout Visitor) { stack.visit(&v) }

  /// The outputs, for an initial state of zeros.
  public func callAsFunction(_ x: Tensor) -> Tensor { stack(x, nil).output }

  /// The outputs, and the hidden states after the last step.
  /// - state: [L D, N, H], the state before the first step (L layers); nil: zeros.
  public func callAsFunction(_ x: Tensor, state: Tensor?) -> (output: Tensor, state: Tensor) {
    let run = stack(x, state.map { RecurrentState(hidden: $0) })
    return (run.output, run.state.hidden)
  }

  public var extraDescription: String { stack.description }
}
