import Autograd
import Tensors

/// What a plain recurrent layer puts its sums through.
public enum RecurrentActivation: Sendable { case tanh, relu }

/// h = tanh(W_ih x + b_ih + W_hh h + b_hh) at every step: Elman's network, PyTorch's RNN.
/// - Input [T, N, F], [N, T, F] if `isBatchFirst`, or [T, F] of one sample; output the last layer's
///   hidden states, [T, N, D H] and so on (L layers, D directions, H hidden features).
public final class RNN: Module {
  let stack: RecurrentStack

  /// Parameters are zero until `initialize(seed:)` fills them.
  public init(
    _ inputSize: Int, _ hiddenSize: Int, layerCount: Int = 1,
    activation: RecurrentActivation = .tanh, bias: Bool = true, isBatchFirst: Bool = false,
    isBidirectional: Bool = false
  ) {
    stack = RecurrentStack(
      activation == .tanh ? .tanh : .relu, inputSize, hiddenSize, layerCount, bias, isBatchFirst,
      isBidirectional)
  }

  public func visit(_ v: inout Visitor) { stack.visit(&v) }

  /// The outputs alone, from a state of zeros.
  public func callAsFunction(_ x: Tensor) -> Tensor { stack(x, nil).output }

  /// The outputs, and the hidden states after the last step.
  /// - state: [L D, N, H], before the first step; nil: zeros.
  public func callAsFunction(_ x: Tensor, state: Tensor?) -> (output: Tensor, state: Tensor) {
    let run = stack(x, state.map { RecurrentState(hidden: $0) })
    return (run.output, run.state.hidden)
  }

  public var extraDescription: String { stack.description }
}
