import Autograd
import Tensors

/// Long short-term memory (Hochreiter and Schmidhuber, 1997), PyTorch's LSTM. See RecurrentCell for
/// the formulas.
/// - Input [T, N, F], [N, T, F] if `isBatchFirst`, or [T, F] for one sample. Output: the hidden
///   states of the last layer, [T, N, D H], [N, T, D H] or [T, D H] (T steps, N samples, F input
///   features, D directions, H hidden features).
public final class LSTM: Module {
  let stack: RecurrentStack

  /// Parameters are zero until `initialize(seed:)` fills them.
  public init(
    _ inputSize: Int, _ hiddenSize: Int, layerCount: Int = 1, bias: Bool = true,
    isBatchFirst: Bool = false, isBidirectional: Bool = false
  ) {
    stack = RecurrentStack(
      .lstm, inputSize, hiddenSize, layerCount, bias, isBatchFirst, isBidirectional)
  }

  public func visit(_ v: inout Visitor) { stack.visit(&v) }

  /// The outputs, for an initial state of zeros.
  public func callAsFunction(_ x: Tensor) -> Tensor { stack(x, nil).output }

  /// The outputs, and the states after the last step.
  /// - state: the hidden state and the memory before the first step, [L D, N, H] each (L layers);
  ///   nil: zeros.
  public func callAsFunction(
    _ x: Tensor, state: RecurrentState?
  ) -> (output: Tensor, state: RecurrentState) {
    let run = stack(x, state)
    return (run.output, run.state)
  }

  public var extraDescription: String { stack.description }
}
