import Autograd
import System
import Tensors

/// h = activation(W_hx x + W_hh h + b_h) and y = W_yh h + b_y at every step, starting with h = 0:
/// the recurrent network that the notebooks implement by hand (systems S31 to S34; Elman, 1990).
/// - Input [N, T, I], output [N, T, O] (I inputs, O outputs, H hidden features).
public final class ElmanNetwork: Module, Forecaster {
  public let inputSize, hiddenSize, outputSize: Int
  private let cell: RecurrentCell
  private let activation: any Module
  private let hiddenToHidden: Tensor  // [H, H]
  private let inputToHidden: Tensor  // [H, I]
  private let hiddenToOutput: Tensor  // [O, H]
  private let hiddenBias: Tensor  // [H, 1]
  private let outputBias: Tensor  // [O, 1]

  public init(
    inputSize: Int, hiddenSize: Int, outputSize: Int, activation: RecurrentActivation = .tanh
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.outputSize = outputSize
    cell = activation == .tanh ? .tanh : .relu
    self.activation = activation == .tanh ? Tanh() : ReLU()
    hiddenToHidden = newParameter([hiddenSize, hiddenSize])
    inputToHidden = newParameter([hiddenSize, inputSize])
    hiddenToOutput = newParameter([outputSize, hiddenSize])
    hiddenBias = newParameter([hiddenSize, 1])
    outputBias = newParameter([outputSize, 1])
    fillParameters(seed: 0)
  }

  public func visit(_ v: inout Visitor) {
    // kaiming_uniform_ with its defaults: the gain of ReLU, and fan-in.
    let kaiming = Initializer.kaimingUniform(.fanIn, gain: Initializer.Nonlinearity.relu.gain)
    v("w_hh", hiddenToHidden, kaiming)
    v("w_hx", inputToHidden, kaiming)
    v("w_yh", hiddenToOutput, kaiming)
    v("b_h", hiddenBias, .zeros)
    v("b_y", outputBias, .zeros)
    v("act", activation)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { run(x, nil).output }

  public func forecast(warmUp: Tensor, steps: Int) throws -> Tensor {
    try freeRunning(
      warmUp: warmUp, steps: steps, inputs: inputSize, outputs: outputSize, run)
  }

  private func run(_ x: Tensor, _ state: RecurrentState?) -> RecurrentRun {
    require(
      x.axisCount == 3 && x.shape[2] == inputSize && x.shape[1] > 0,
      "ElmanNetwork: input \(x.shape) must be [N, T, \(inputSize)] with T > 0")
    let weights = RecurrentWeights(
      input: inputToHidden, hidden: hiddenToHidden,
      inputBias: hiddenBias.reshaped([hiddenSize] as Shape))
    var run = recurrent(cell, x.transposed(0, 1), state: state, layers: [weights])
    // The recurrent op has already applied the activation; the outputs of the activation are all
    // hidden states.
    let hidden = activation.noted(run.output.transposed(0, 1))
    run.output = linear(
      hidden, weight: hiddenToOutput, bias: outputBias.reshaped([outputSize] as Shape))
    return run
  }

  public var typeName: String { "RNN" }
}
