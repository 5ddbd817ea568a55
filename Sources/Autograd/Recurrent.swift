import Kernels
import TensorCore

// Recurrent networks. T steps, N samples, F features in, H hidden, L layers, D directions (1 or 2).

/// What a recurrent network does at each step, in PyTorch's formulas and order of gates. x' is W_ih x +
/// b_ih, h' is W_hh h + b_hh, each with H rows for every gate.
public enum RecurrentCell: Sendable, CaseIterable {
  /// h = tanh(x' + h').
  case tanh
  /// h = max(x' + h', 0).
  case relu
  /// i, f, o = sigmoid and g = tanh of their parts of x' + h', in the order i, f, g, o;
  /// c = f c + i g;  h = o tanh(c). Hochreiter and Schmidhuber, 1997; Gers et al., 2000.
  case lstm
  /// r, z = sigmoid of their parts of x' + h';  n = tanh(x'n + r h'n);  h = (1 - z) n + z h.
  /// Cho et al., 2014, with the reset gate after the product, as in cuDNN.
  case gru

  /// Gates, and so the rows of the weights in units of H.
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
    case .relu: return (Autograd.relu(fromInput + fromHidden), nil)
    case .lstm:
      let gates = pieces(fromInput + fromHidden, axis: 1, count: 4)
      let kept = gates[1].sigmoid() * state.memory!
      let memory = kept + gates[0].sigmoid() * gates[2].tanh()
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
  public let input: Tensor  // [gates H, F], or [gates H, D H] above the first layer
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
  public let memory: Tensor?  // [L D, N, H]; LSTM's cell state, nil elsewhere

  public init(hidden: Tensor, memory: Tensor? = nil) {
    self.hidden = hidden
    self.memory = memory
  }
}

/// A recurrent network over a series: every layer runs over the whole series of the layer below, and
/// in both directions if `isBidirectional`, whose outputs stand side by side.
/// - Parameters:
///   - x: [T, N, F].
///   - state: before the first step; nil: zeros.
///   - layers: L D weights; with two directions forward and backward by turns.
/// - Returns: the last layer's hidden states [T, N, D H], and the states after the last step (the
///   first, backwards).
/// - Precondition: T > 0 and shapes as above.
public func recurrent(
  _ cell: RecurrentCell, _ x: Tensor, state: RecurrentState? = nil, layers: [RecurrentWeights],
  isBidirectional: Bool = false
) -> (output: Tensor, state: RecurrentState) {
  recurrent(
    cell, x, state: state, layers: layers, isBidirectional: isBidirectional, stepByStep: false)
}

/// The same.
/// - stepByStep: whether the kernel that computes all steps of a plain cell is not to be used: its
///   naive twin.
package func recurrent(
  _ cell: RecurrentCell, _ x: Tensor, state: RecurrentState?, layers: [RecurrentWeights],
  isBidirectional: Bool, stepByStep: Bool
) -> (output: Tensor, state: RecurrentState) {
  let directions = isBidirectional ? 2 : 1
  require(
    !layers.isEmpty && layers.count % directions == 0,
    "recurrent: \(layers.count) weights for \(directions) directions")
  require(
    x.axisCount == 3 && x.shape[0] > 0 && x.shape[2] == layers[0].input.shape[1],
    "recurrent: an input of shape \(x.shape) does not fit weight \(layers[0].input.shape), which takes "
      + "[T, N, \(layers[0].input.shape[1])] with T > 0")
  let stateShape: Shape = [layers.count, x.shape[1], layers[0].hidden.shape[1]]
  let start = state ?? zeroState(stateShape, x.dtype, hasMemory: cell == .lstm)
  require(
    start.hidden.shape == stateShape
      && (cell == .lstm ? start.memory?.shape == stateShape : start.memory == nil),
    "recurrent: a state of shapes \(start.hidden.shape)\(start.memory.map { ", \($0.shape)" } ?? "") "
      + "where \(stateShape) is needed\(cell == .lstm ? " twice: hidden and memory" : "")")
  let hidden = pieces(start.hidden, axis: 0, count: layers.count)
  let memory = start.memory.map { pieces($0, axis: 0, count: layers.count) }
  let rowShape: Shape = [stateShape[1], stateShape[2]]

  var series = x
  var ends: [(hidden: Tensor, memory: Tensor?)] = []
  for first in stride(from: 0, to: layers.count, by: directions) {
    let outputs = (first..<first + directions).map { index in
      let before = (
        hidden: hidden[index].reshaped(rowShape), memory: memory?[index].reshaped(rowShape)
      )
      let run = pass(
        cell, series, before, layers[index], isBackward: index > first, stepByStep: stepByStep)
      ends.append(run.end)
      return run.output
    }
    series = directions == 1 ? outputs[0] : joined(outputs, axis: 2)
  }
  return (
    series,
    RecurrentState(
      hidden: stacked(ends.map(\.hidden)),
      memory: cell == .lstm ? stacked(ends.map { $0.memory! }) : nil)
  )
}

/// One layer in one direction over the whole series [T, N, F].
private func pass(
  _ cell: RecurrentCell, _ series: Tensor, _ start: (hidden: Tensor, memory: Tensor?),
  _ weights: RecurrentWeights, isBackward: Bool, stepByStep: Bool
) -> (output: Tensor, end: (hidden: Tensor, memory: Tensor?)) {
  let (steps, samples, features) = (series.shape[0], series.shape[1], series.shape[2])
  // What comes from the input needs no order: one product for all steps.
  let fromInput = linear(
    series.reshaped([steps * samples, features] as Shape), weight: weights.input,
    bias: weights.inputBias)
  if !stepByStep && series.dtype == .float32 && (cell == .tanh || cell == .relu) {
    let output = plainRecurrence(
      Kernels.Recurrence(isReLU: cell == .relu, isBackward: isBackward),
      fromInput.reshaped([steps, samples, weights.hidden.shape[1]] as Shape), start.hidden, weights)
    return (output, (output[isBackward ? 0 : steps - 1], nil))
  }
  return stepwise(cell, fromInput, steps: steps, start, weights, isBackward: isBackward)
}

/// The states h[t] = f(x[t] + W h[t-1] + b) of all steps as one operation. With s[t] the gradient of f's
/// argument, s[t] = (dy[t] + W's columns by s[t+1]) f'(h[t]):  dx = s,  dW = sum of s[t] h[t-1]ᵀ,
/// db = sum of s,  dstart = what flows before the first step.
/// - x: [T, N, H], from the input.  start: [N, H].  Returns [T, N, H].
private func plainRecurrence(
  _ recurrence: Kernels.Recurrence, _ x: Tensor, _ start: Tensor, _ weights: RecurrentWeights
) -> Tensor {
  let (weight, bias) = (weights.hidden.value, weights.hiddenBias?.value)
  let states = recurrence.states(x.value, start: start.value, weight: weight, bias: bias)
  let inputs = [x, start, weights.hidden] + (weights.hiddenBias.map { [$0] } ?? [])
  let rows: Shape = [x.shape[0] * x.shape[1], x.shape[2]]
  return record(
    "recurrence", inputs: inputs, value: recurrence.steps(states, before: false),
    saving: [weight, states]
  ) { dy, request in
    let (slopes, dstart) = recurrence.gradients(dy, states: states, weight: weight)
    let sums = slopes.viewed(as: rows)
    var gradients: [Tensor?] = [
      slopes, dstart,
      request.isNeeded(2)
        ? Kernels.matmul(
          sums.transposedView, recurrence.steps(states, before: true).viewed(as: rows),
          into: request.destination(2)) : nil,
    ]
    if inputs.count > 3 {
      gradients.append(
        request.isNeeded(3) ? Kernels.columnSums(sums, into: request.destination(3)) : nil)
    }
    return gradients
  }
}

/// One operation after the other at each step: what LSTM and GRU are made of, and float64.
/// - fromInput: [T N, gates H].
private func stepwise(
  _ cell: RecurrentCell, _ fromInput: Tensor, steps: Int,
  _ start: (hidden: Tensor, memory: Tensor?), _ weights: RecurrentWeights, isBackward: Bool
) -> (output: Tensor, end: (hidden: Tensor, memory: Tensor?)) {
  let inputs = pieces(fromInput, axis: 0, count: steps)
  var state = start
  var outputs: [Tensor] = []
  for t in 0..<steps {
    state = cell.step(inputs[isBackward ? steps - 1 - t : t], state, weights)
    outputs.append(state.hidden)
  }
  return (stacked(isBackward ? outputs.reversed() : outputs), state)
}

/// Tensors of one shape along a new first axis.
private func stacked(_ parts: [Tensor]) -> Tensor {
  let shape = parts[0].shape
  let end = joined(parts, axis: 0)
  return end.reshaped(Shape([parts.count] + Array(shape)))
}

private func zeroState(_ shape: Shape, _ dtype: DType, hasMemory: Bool) -> RecurrentState {
  RecurrentState(
    hidden: Tensor(zeros: shape, dtype), memory: hasMemory ? Tensor(zeros: shape, dtype) : nil)
}
