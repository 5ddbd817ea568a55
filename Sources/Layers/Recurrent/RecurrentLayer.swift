import Autograd
import Tensors

/// The common interface of RNN, LSTM and GRU, for networks that take any of them.
protocol RecurrentLayer: Module {
  var stack: RecurrentStack { get }
}

extension RNN: RecurrentLayer {}
extension LSTM: RecurrentLayer {}
extension GRU: RecurrentLayer {}

extension RecurrentLayer {
  /// The outputs of all steps, [N, T, D H] for a batch-first layer, and the states after the last
  /// step.
  func run(_ x: Tensor, from state: RecurrentState? = nil) -> RecurrentRun { stack(x, state) }
}

extension RecurrentCell {
  /// A layer with this cell, batch first.
  func layer(
    _ inputSize: Int, _ hiddenSize: Int, layerCount: Int = 1, isBidirectional: Bool = false
  ) -> any RecurrentLayer {
    switch self {
    case .tanh, .relu:
      RNN(
        inputSize, hiddenSize, layerCount: layerCount, activation: self == .tanh ? .tanh : .relu,
        isBatchFirst: true, isBidirectional: isBidirectional)
    case .lstm:
      LSTM(
        inputSize, hiddenSize, layerCount: layerCount, isBatchFirst: true,
        isBidirectional: isBidirectional)
    case .gru:
      GRU(
        inputSize, hiddenSize, layerCount: layerCount, isBatchFirst: true,
        isBidirectional: isBidirectional)
    }
  }
}

extension RecurrentState {
  /// The hidden state of the last layer, [N, H]. For networks with one direction.
  var lastHidden: Tensor { hidden[-1] }
}
