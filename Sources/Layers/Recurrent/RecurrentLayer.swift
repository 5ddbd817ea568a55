import Autograd
import Tensors

/// What a network needs of RNN, LSTM and GRU alike.
protocol RecurrentLayer: Module {
  var stack: RecurrentStack { get }
}

extension RNN: RecurrentLayer {}
extension LSTM: RecurrentLayer {}
extension GRU: RecurrentLayer {}

extension RecurrentLayer {
  /// The outputs of all steps [N, T, D H] and the states after the last (a batch-first layer's).
  func run(_ x: Tensor, from state: RecurrentState? = nil) -> RecurrentRun { stack(x, state) }
}

extension RecurrentCell {
  /// PyTorch's layer of this cell, batch first.
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
  /// The last layer's hidden state [N, H], of one direction.
  var lastHidden: Tensor { hidden[-1] }
}
