import TensorCore

/// A node of the graph: the op that made a tensor, and how gradients flow back through it.
public final class GradientFunction {
  /// The op's name, such as "linear".
  public let name: String
  private(set) var inputs: [Input]
  let outputShape: Shape
  /// Longest way from a leaf. An op lies deeper than everything it was made from, so going from the
  /// deepest up meets every op after all its users.
  let depth: Int
  /// nil once a backward pass has used and freed it.
  var backward: Backward?
  /// The memory the op saved, how often it had been written by then, and whose it is: the index of
  /// an input, or the number of inputs for the result.
  private let versions: [(version: StorageVersion, writes: Int, owner: Int)]
  /// The gradient collected during a backward pass.
  var collected: Tensor?
  /// Whether the current backward pass has met this function.
  var isQueued = false

  /// One array of these and not one of each part: a step of a small network mostly makes arrays.
  struct Input {
    let edge: Edge
    let shape: Shape
    let dtype: DType
  }

  enum Edge {
    case none  // no gradient flows here
    case leaf(LeafGradient)
    case function(GradientFunction)
  }

  typealias Backward = (Tensor, GradientRequest) -> [Tensor?]

  init(
    name: String, inputs: [Tensor], value: Tensor, saved: [Tensor]?,
    backward: @escaping Backward
  ) {
    self.name = name
    self.outputShape = value.shape
    self.backward = backward
    var versions: [(version: StorageVersion, writes: Int, owner: Int)] = []
    func note(_ tensor: Tensor, _ owner: Int) {
      let version = tensor.storage.version
      versions.append((version, version.writes, owner))
    }
    if let saved {
      for tensor in saved {
        note(tensor, inputs.firstIndex { $0.storage === tensor.storage } ?? inputs.count)
      }
    } else {
      versions.reserveCapacity(inputs.count + 1)
      for (index, input) in inputs.enumerated() { note(input, index) }
      note(value, inputs.count)
    }
    self.versions = versions
    var depth = 0
    self.inputs = inputs.map { input in
      var edge = Edge.none
      if let history = input.differentiation {
        if let function = history.function {
          edge = .function(function)
          depth = max(depth, function.depth + 1)
        } else if let leaf = history.leaf {
          edge = .leaf(leaf)
        }
      }
      return Input(edge: edge, shape: input.shape, dtype: input.dtype)
    }
    self.depth = depth
  }

  /// - Precondition: nothing the op saved was written in place since.
  func requireUnchanged() {
    for saved in versions where saved.version.writes != saved.writes {
      let what = saved.owner < inputs.count ? "its input \(saved.owner)" : "its result"
      fatalError(
        "backward: \(self) needs \(what) as it was, but it has been changed in place since; "
          + "change a copy (copied()), or use maskedFilled or Tensor.where")
    }
  }

  /// Frees the graph behind in a loop: released one by one from within each other's deinit, a long
  /// chain (a recurrent net over a thousand steps) would overflow the stack.
  deinit {
    var pending = takeInputs()
    while var function = pending.popLast() {
      if isKnownUniquelyReferenced(&function) { pending += function.takeInputs() }
    }
  }

  private func takeInputs() -> [GradientFunction] {
    var functions: [GradientFunction] = []
    for input in inputs {
      if case .function(let function) = input.edge { functions.append(function) }
    }
    inputs = []
    // What the op saved may hold tensors with a graph of their own.
    backward = nil
    return functions
  }

  /// The functions that made this one's inputs, in input order; nil for a leaf or a constant.
  public var nextFunctions: [GradientFunction?] {
    inputs.map { if case .function(let function) = $0.edge { function } else { nil } }
  }
}

extension GradientFunction: CustomStringConvertible {
  /// PyTorch's way to name it: "LinearBackward".
  public var description: String {
    name.prefix(1).uppercased() + name.dropFirst() + "Backward"
  }
}

/// What the engine asks of an op's derivative: which gradients, and where they may go.
public struct GradientRequest {
  let function: GradientFunction
  let progress: BackwardProgress?

  /// Whether anybody wants the gradient of input `index`; nil may be returned for the others.
  public func isNeeded(_ index: Int) -> Bool {
    if case .none = function.inputs[index].edge { false } else { true }
  }

  /// Memory where the gradient of input `index` is to end up, if it may be written there at once:
  /// an arena's, at the first contribution. Return that very tensor after writing it.
  public func destination(_ index: Int) -> Tensor? {
    guard case .leaf(let leaf) = function.inputs[index].edge, leaf.gradient == nil else {
      return nil
    }
    // A leaf that enters an op twice gets two contributions at once: neither may overwrite.
    for (other, input) in function.inputs.enumerated() where other != index {
      if case .leaf(let twin) = input.edge, twin === leaf { return nil }
    }
    return leaf.destination
  }
}

extension GradientRequest {
  /// Whether somebody wants to know if the gradient of input `index` is finite.
  func asksWhetherFinite(_ index: Int) -> Bool {
    if case .leaf(let leaf) = function.inputs[index].edge { leaf.asksWhetherFinite } else { false }
  }

  /// Says that the contribution of this op to the gradient of input `index` is finite.
  func noteFinite(_ index: Int) {
    guard case .leaf(let leaf) = function.inputs[index].edge, leaf.gradient == nil else { return }
    leaf.isSurelyFinite = true
  }
}

/// Gives an op's result its history.
/// - Parameters:
///   - name: the op's.
///   - inputs: what it was computed from, in the order in which `backward` returns gradients.
///   - value: the result, computed without history. `backward` may capture it: the tensor returned
///     is another view, so nothing holds itself.
///   - saved: the tensors whose elements `backward` reads; nil: all inputs and the result. A backward
///     pass traps where one of them was written in place since.
///   - backward: from the gradient of the result to one gradient per input, nil where none flows.
///     What it captures stays in memory until the backward pass: capture the smallest thing.
public func record(
  _ name: String, inputs: [Tensor], value: Tensor, saving saved: [Tensor]? = nil,
  backward: @escaping (_ dy: Tensor, _ request: GradientRequest) -> [Tensor?]
) -> Tensor {
  guard isRecording, inputs.contains(where: \.requiresGrad) else { return value }
  let result = Tensor(
    storage: value.storage, shape: value.shape, strides: value.strides, offset: value.offset,
    dtype: value.dtype)
  let function = GradientFunction(
    name: name, inputs: inputs, value: value, saved: saved, backward: backward)
  result.history = History(value: value, function: function, leaf: nil)
  return result
}

/// The same for an op whose gradients are too small to care where they go.
public func record(
  _ name: String, inputs: [Tensor], value: Tensor, saving saved: [Tensor]? = nil,
  backward: @escaping (_ dy: Tensor) -> [Tensor?]
) -> Tensor {
  record(name, inputs: inputs, value: value, saving: saved) { dy, _ in backward(dy) }
}
