import Kernels
import System
import Tensors

// Recurrent networks. T steps, N samples, F input features, H hidden features, L layers, D
// directions (1 or 2).

/// The computation of a recurrent network at each step, with PyTorch's formulas and order of gates.
/// x' = W_ih x + b_ih and h' = W_hh h + b_hh, each with H rows for every gate.
public enum RecurrentCell: Sendable, CaseIterable {
  /// h = tanh(x' + h').
  case tanh
  /// h = max(x' + h', 0).
  case relu
  /// i, f, o = sigmoid and g = tanh of their parts of x' + h', which are in the order i, f, g, o;
  /// c = f c + i g;  h = o tanh(c). Hochreiter and Schmidhuber, 1997; Gers et al., 2000.
  case lstm
  /// r, z = sigmoid of their parts of x' + h';  n = tanh(x'n + r h'n);  h = (1 - z) n + z h.
  /// Cho et al., 2014, with the reset gate after the product, as in cuDNN.
  case gru

  /// The number of gates, which is the number of rows of the weights divided by H.
  public var gateCount: Int {
    switch self {
    case .tanh, .relu: 1
    case .gru: 3
    case .lstm: 4
    }
  }

  /// The hidden state after one step.
  /// - fromInput (x'): [N, gates H].  state.hidden: [N, H]; state.memory: [N, H] of an LSTM.
  fileprivate func step(
    _ fromInput: Tensor, _ state: (hidden: Tensor, memory: Tensor?), _ weights: RecurrentWeights
  ) -> (hidden: Tensor, memory: Tensor?) {
    let fromHidden = linear(state.hidden, weight: weights.hidden, bias: weights.hiddenBias)
    switch self {
    case .tanh: return ((fromInput + fromHidden).tanh(), nil)
    case .relu: return ((fromInput + fromHidden).relu(), nil)
    case .lstm:
      let gates = pieces(fromInput + fromHidden, axis: 1, count: 4)
      let remembered = gates[1].sigmoid() * state.memory!
      let memory = remembered + gates[0].sigmoid() * gates[2].tanh()
      return (gates[3].sigmoid() * memory.tanh(), memory)
    case .gru:
      let x = pieces(fromInput, axis: 1, count: 3)
      let h = pieces(fromHidden, axis: 1, count: 3)
      let reset = (x[0] + h[0]).sigmoid()
      let update = (x[1] + h[1]).sigmoid()
      let new = (x[2] + reset * h[2]).tanh()
      return (new + update * (state.hidden - new), nil)
    }
  }
}

/// The weights of one layer in one direction.
public struct RecurrentWeights {
  public let input: Tensor  // [gates H, F], or [gates H, D H] after the first layer
  public let hidden: Tensor  // [gates H, H]
  public let inputBias: Tensor?  // [gates H]
  public let hiddenBias: Tensor?  // [gates H]

  public init(input: Tensor, hidden: Tensor, inputBias: Tensor? = nil, hiddenBias: Tensor? = nil) {
    self.input = input
    self.hidden = hidden
    self.inputBias = inputBias
    self.hiddenBias = hiddenBias
  }
}

/// The state of a recurrent network between calls, one [N, H] for each layer and direction.
public struct RecurrentState {
  public let hidden: Tensor  // [L D, N, H]
  public let memory: Tensor?  // [L D, N, H]: the cell state of an LSTM; nil for other cells

  public init(hidden: Tensor, memory: Tensor? = nil) {
    self.hidden = hidden
    self.memory = memory
  }
}

/// The result of a recurrent network for a series.
public struct RecurrentRun {
  /// The last layer's hidden states, [T, N, D H].
  public var output: Tensor
  /// Whether `state` has the shape of one sample without a batch, [L D, H].
  public var isOneSample = false
  fileprivate let finalStates: [FinalState]

  fileprivate init(output: Tensor, finalStates: [FinalState]) {
    (self.output, self.finalStates) = (output, finalStates)
  }

  /// The states after the last step (in the backward direction, the first). Computed and recorded
  /// only on access, because most callers need only the outputs.
  public var state: RecurrentState {
    let all = finalStates.map(\.state)
    let hidden = Tensor.stack(all.map(\.hidden))
    let memory = all[0].memory == nil ? nil : Tensor.stack(all.map { $0.memory! })
    if !isOneSample { return RecurrentState(hidden: hidden, memory: memory) }
    return RecurrentState(
      hidden: hidden.squeezed(axes: [1]), memory: memory?.squeezed(axes: [1]))
  }
}

/// The state of a layer after the last step.
private enum FinalState {
  case step(Int, of: Tensor)
  case known(hidden: Tensor, memory: Tensor?)

  var state: (hidden: Tensor, memory: Tensor?) {
    switch self {
    case .step(let step, let output): (output[step], nil)
    case .known(let hidden, let memory): (hidden, memory)
    }
  }
}

/// Runs a recurrent network over a series. Every layer runs over all outputs of the layer before
/// it. If `isBidirectional`, it runs in both directions, and their outputs are concatenated along
/// the features.
/// - Parameters:
///   - x: [T, N, F].
///   - state: the state before the first step; nil: zeros.
///   - layers: L D weights; with two directions they alternate between forward and backward.
/// - Precondition: T > 0 and shapes as above.
public func recurrent(
  _ cell: RecurrentCell, _ x: Tensor, state: RecurrentState? = nil, layers: [RecurrentWeights],
  isBidirectional: Bool = false
) -> RecurrentRun {
  recurrent(
    cell, x, state: state, layers: layers, isBidirectional: isBidirectional, stepByStep: false)
}

/// `recurrent`, with a choice of the implementation.
/// - stepByStep: true: do not use the kernel that computes all steps of a plain cell, but the naive
///   implementation that tests compare it with.
package func recurrent(
  _ cell: RecurrentCell, _ x: Tensor, state: RecurrentState?, layers: [RecurrentWeights],
  isBidirectional: Bool, stepByStep: Bool
) -> RecurrentRun {
  let directions = isBidirectional ? 2 : 1
  require(
    !layers.isEmpty && layers.count % directions == 0,
    "recurrent: \(layers.count) weights for \(directions) directions")
  require(
    x.axisCount == 3 && x.shape[0] > 0 && x.shape[2] == layers[0].input.shape[1],
    "recurrent: an input of shape \(x.shape) does not fit weight \(layers[0].input.shape), which takes "
      + "[T, N, \(layers[0].input.shape[1])] with T > 0")
  let stateShape = Shape(layers.count, x.shape[1], layers[0].hidden.shape[1])
  let start = state ?? zeroState(stateShape, x.dtype, hasMemory: cell == .lstm)
  require(
    start.hidden.shape == stateShape
      && (cell == .lstm ? start.memory?.shape == stateShape : start.memory == nil),
    "recurrent: a state of shapes \(start.hidden.shape)\(start.memory.map { ", \($0.shape)" } ?? "") "
      + "where \(stateShape) is needed\(cell == .lstm ? " twice: hidden and memory" : "")")
  let hidden = layerStates(start.hidden)
  let memory = start.memory.map(layerStates)

  var series = x
  var finalStates: [FinalState] = []
  for first in stride(from: 0, to: layers.count, by: directions) {
    let outputs = (first..<first + directions).map { index in
      let run = runLayer(
        cell, series, (hidden: hidden[index], memory: memory?[index]), layers[index],
        isBackward: index > first, stepByStep: stepByStep)
      finalStates.append(run.finalState)
      return run.output
    }
    series = directions == 1 ? outputs[0] : Tensor.cat(outputs, axis: 2)
  }
  return RecurrentRun(output: series, finalStates: finalStates)
}

/// Splits [L D, N, H] into [N, H] for each layer and direction.
private func layerStates(_ states: Tensor) -> [Tensor] {
  let shape = Shape(states.shape[1], states.shape[2])
  let layers = states.shape[0] == 1 ? [states] : pieces(states, axis: 0, count: states.shape[0])
  return layers.map { $0.reshaped(shape) }
}

/// Runs one layer in one direction over the whole series [T, N, F].
private func runLayer(
  _ cell: RecurrentCell, _ series: Tensor, _ start: (hidden: Tensor, memory: Tensor?),
  _ weights: RecurrentWeights, isBackward: Bool, stepByStep: Bool
) -> (output: Tensor, finalState: FinalState) {
  let steps = series.shape[0]
  // The input part does not depend on the order of steps: one product for all of them.
  let fromInput = linear(series, weight: weights.input, bias: weights.inputBias)
  if !stepByStep && series.dtype == .float32 && (cell == .tanh || cell == .relu) {
    let output = plainRecurrence(
      Kernels.Recurrence(isReLU: cell == .relu, isBackward: isBackward), fromInput, start.hidden,
      weights)
    return (output, .step(isBackward ? 0 : steps - 1, of: output))
  }
  return runStepByStep(cell, fromInput, start, weights, isBackward: isBackward)
}

/// The states h[t] = f(x[t] + W h[t-1] + b) of all steps as one op. Let s[t] be the gradient of f's
/// argument, s[t] = (dy[t] + Wᵀ s[t+1]) f'(h[t]). Then dx = s,  dW = sum of s[t] h[t-1]ᵀ,
/// db = sum of s,  dstart = the gradient of the state before the first step.
/// - x: [T, N, H], the input part.  start: [N, H].  Returns [T, N, H].
private func plainRecurrence(
  _ recurrence: Kernels.Recurrence, _ x: Tensor, _ start: Tensor, _ weights: RecurrentWeights
) -> Tensor {
  let (weight, bias) = (weights.hidden.value, weights.hiddenBias?.value)
  let states = recurrence.states(x.value, start: start.value, weight: weight, bias: bias)
  let output = recurrence.steps(states, before: false)
  var inputs = ShortList<Tensor>()
  inputs.append(x)
  inputs.append(start)
  inputs.append(weights.hidden)
  if let bias = weights.hiddenBias { inputs.append(bias) }
  guard isRecorded(inputs) else { return output }
  let hasBias = bias != nil
  return recorded(
    "recurrence", inputs: inputs, value: output, saving: [.input(2), .result],
    .giving { dy, request in
      let (slopes, dstart) = recurrence.gradients(dy, states: states, weight: weight)
      let rows = Shape(slopes.shape[0] * slopes.shape[1], slopes.shape[2])
      let (sums, before) = (
        slopes.viewed(as: rows), recurrence.steps(states, before: true).viewed(as: rows)
      )
      request.give(slopes, to: 0)
      request.give(dstart, to: 1)
      let needsBias = hasBias && request.isNeeded(3)
      if request.isNeeded(2), needsBias,
        let both = Kernels.tinyProductAndColumnSums(
          sums, before, into: request.destination(2), sums: request.destination(3))
      {
        request.give(both.product, to: 2)
        return request.give(both.sums, to: 3)
      }
      request.give(
        request.isNeeded(2)
          ? Kernels.matmul(sums.transposedView, before, into: request.destination(2)) : nil, to: 2)
      if hasBias {
        request.give(
          needsBias ? Kernels.columnSums(sums, into: request.destination(3)) : nil, to: 3)
      }
    })
}

/// Runs a layer step by step with separate ops. Used for LSTM, GRU and float64.
/// - fromInput: [T, N, gates H].
private func runStepByStep(
  _ cell: RecurrentCell, _ fromInput: Tensor,
  _ start: (hidden: Tensor, memory: Tensor?), _ weights: RecurrentWeights, isBackward: Bool
) -> (output: Tensor, finalState: FinalState) {
  let (steps, samples) = (fromInput.shape[0], fromInput.shape[1])
  let inputs = pieces(
    fromInput.reshaped(Shape(steps * samples, fromInput.shape[2])), axis: 0, count: steps)
  var state = start
  var outputs: [Tensor] = []
  for t in 0..<steps {
    state = cell.step(inputs[isBackward ? steps - 1 - t : t], state, weights)
    outputs.append(state.hidden)
  }
  return (
    Tensor.stack(isBackward ? outputs.reversed() : outputs),
    .known(hidden: state.hidden, memory: state.memory)
  )
}

private func zeroState(_ shape: Shape, _ dtype: DType, hasMemory: Bool) -> RecurrentState {
  RecurrentState(
    hidden: Tensor(zeros: shape, dtype), memory: hasMemory ? Tensor(zeros: shape, dtype) : nil)
}
