import Autograd
import System
import Tensors

/// A recurrent layer, and a linear layer applied to its output at each step.
/// - Input [N, T, I], output [N, T, O] (I inputs, O outputs, H hidden features).
public final class SequenceNet: Module, Forecaster {
  public let inputSize, outputSize: Int
  public let isBidirectional: Bool
  private let rnn: any RecurrentLayer
  private let head: Linear

  /// - cell: PyTorch's RNN (`tanh` or `relu`), LSTM or GRU.
  public init(
    cell: RecurrentCell, inputSize: Int, hiddenSize: Int, outputSize: Int, layerCount: Int = 1,
    isBidirectional: Bool = false
  ) {
    self.inputSize = inputSize
    self.outputSize = outputSize
    self.isBidirectional = isBidirectional
    rnn = cell.layer(
      inputSize, hiddenSize, layerCount: layerCount, isBidirectional: isBidirectional)
    head = Linear(hiddenSize * (isBidirectional ? 2 : 1), outputSize)
  }

  public func visit(_ v: inout Visitor) {
    v("rnn", rnn)
    v("head", head)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { run(x, nil).output }

  public func forecast(warmUp: Tensor, steps: Int) throws -> Tensor {
    if isBidirectional {
      throw Failure(
        .usage, "a bidirectional network cannot forecast: it reads a series from its end, too",
        remedy: "train one that is not bidirectional")
    }
    return try freeRunning(
      warmUp: warmUp, steps: steps, inputs: inputSize, outputs: outputSize, run)
  }

  private func run(_ x: Tensor, _ state: RecurrentState?) -> RecurrentRun {
    require(
      x.axisCount == 3 && x.shape[2] == inputSize && x.shape[1] > 0,
      "SequenceNet: input \(x.shape) must be [N, T, \(inputSize)] with T > 0")
    var run = rnn.run(x, from: state)
    run.output = head.call(rnn.noted(run.output))
    return run
  }
}
