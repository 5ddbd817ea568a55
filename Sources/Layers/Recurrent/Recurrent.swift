import Autograd
import System
import Tensors

/// The layers of a recurrent network and their weights. Shared by RNN, LSTM and GRU.
///
/// Input [T, N, F], or [N, T, F] if `isBatchFirst`, or [T, F] for one sample. The output has the
/// same shape with D H instead of F. States are [L D, N, H], or [L D, H] for one sample (T steps, N
/// samples, F input features, L layers, D directions, H hidden features).
struct RecurrentStack {
  let cell: RecurrentCell
  let inputSize, hiddenSize, layerCount: Int
  let isBatchFirst, isBidirectional: Bool
  let layers: [RecurrentWeights]

  init(
    _ cell: RecurrentCell, _ inputSize: Int, _ hiddenSize: Int, _ layerCount: Int, _ bias: Bool,
    _ isBatchFirst: Bool, _ isBidirectional: Bool
  ) {
    require(
      layerCount > 0 && hiddenSize > 0,
      "a recurrent network needs layers and hidden features, not \(layerCount) and \(hiddenSize)")
    self.cell = cell
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.layerCount = layerCount
    self.isBatchFirst = isBatchFirst
    self.isBidirectional = isBidirectional
    let rows = cell.gateCount * hiddenSize
    let directions = isBidirectional ? 2 : 1
    layers = (0..<layerCount * directions).map { index in
      let fanIn = index < directions ? inputSize : hiddenSize * directions
      return RecurrentWeights(
        input: newParameter([rows, fanIn]), hidden: newParameter([rows, hiddenSize]),
        inputBias: bias ? newParameter([rows]) : nil, hiddenBias: bias ? newParameter([rows]) : nil)
    }
  }

  /// All parameters are uniform in -1 / sqrt(H) ... 1 / sqrt(H), PyTorch's default for recurrent
  /// layers.
  func visit(_ v: inout Visitor) {
    let initializer = Initializer.defaultUniform(fanIn: hiddenSize)
    for (index, layer) in layers.enumerated() {
      let number = isBidirectional ? index / 2 : index
      let suffix = "_l\(number)" + (isBidirectional && index % 2 == 1 ? "_reverse" : "")
      v("weight_ih" + suffix, layer.input, initializer)
      v("weight_hh" + suffix, layer.hidden, initializer)
      if let bias = layer.inputBias { v("bias_ih" + suffix, bias, initializer) }
      if let bias = layer.hiddenBias { v("bias_hh" + suffix, bias, initializer) }
    }
  }

  func callAsFunction(_ x: Tensor, _ state: RecurrentState?) -> RecurrentRun {
    if x.axisCount == 2 {
      let whole = state.map {
        RecurrentState(hidden: $0.hidden.unsqueezed(1), memory: $0.memory?.unsqueezed(1))
      }
      var run = recurrent(
        cell, x.unsqueezed(1), state: whole, layers: layers, isBidirectional: isBidirectional)
      run.output = run.output.squeezed(axes: [1])
      run.isOneSample = true
      return run
    }
    require(
      x.axisCount == 3,
      "a recurrent network takes \(isBatchFirst ? "[N, T, F]" : "[T, N, F]") or [T, F], not \(x.shape)"
    )
    var run = recurrent(
      cell, isBatchFirst ? x.transposed(0, 1) : x, state: state, layers: layers,
      isBidirectional: isBidirectional)
    if isBatchFirst { run.output = run.output.transposed(0, 1) }
    return run
  }

  var description: String {
    var parts = ["\(inputSize), \(hiddenSize)"]
    if layerCount != 1 { parts.append("num_layers=\(layerCount)") }
    if layers[0].inputBias == nil { parts.append("bias=False") }
    if isBatchFirst { parts.append("batch_first=True") }
    if isBidirectional { parts.append("bidirectional=True") }
    return parts.joined(separator: ", ")
  }
}
