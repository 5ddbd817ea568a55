import Tensors

/// The target of a gradient: the gradient of a leaf, or a function of the graph.
public class GradientTarget {
  /// The shape of the tensor that the gradient belongs to.
  final let shape: Shape
  final let dtype: DType
  /// Tells LeafGradient from GradientFunction. A conditional cast would call the Swift runtime.
  final let isLeaf: Bool

  init(shape: Shape, dtype: DType, isLeaf: Bool) {
    (self.shape, self.dtype, self.isLeaf) = (shape, dtype, isLeaf)
  }

  @inline(__always) final var leaf: LeafGradient? {
    isLeaf ? unsafeDowncast(self, to: LeafGradient.self) : nil
  }

  @inline(__always) final var function: GradientFunction? {
    isLeaf ? nil : unsafeDowncast(self, to: GradientFunction.self)
  }
}

/// A node of the graph: the op that computed a tensor, and its derivative.
public final class GradientFunction: GradientTarget {
  /// The op's name, such as "linear".
  public let name: String
  /// The targets of the inputs' gradients; nil for an input that needs no gradient.
  @exclusivity(unchecked) private(set) var targets = ShortList<GradientTarget>()
  /// The length of the longest path from a leaf. An op is deeper than the ops that computed its
  /// inputs, so in order of decreasing depth every op comes after all its users.
  let depth: Int
  /// nil after a backward pass has used and freed it.
  @exclusivity(unchecked) var derivative: Derivative?
  /// The name of a second op that this node computes together with its own: the op before it. A
  /// walk of the graph shows that op as a separate node.
  private let innerName: String?
  private var inner: GradientFunction?
  /// The write counters of the memory that the op saved.
  @exclusivity(unchecked) private var versions = ShortList<StorageVersion>()
  /// For each of `versions`: the count when the op was recorded, and the tensor it belongs to. The
  /// first three are stored inline.
  @exclusivity(unchecked) private var states = InlineArray<3, SavedState>(repeating: SavedState())
  @exclusivity(unchecked) private var otherStates: [SavedState] = []
  /// The sum of the gradients collected during a backward pass.
  @exclusivity(unchecked) var collected: Tensor?
  /// Whether the current backward pass has already found this function.
  @exclusivity(unchecked) var isQueued = false

  /// Computes the gradients of the inputs from the gradient of the result.
  enum Derivative {
    case ofGradient((_ dy: Tensor) -> [Tensor?])
    case onRequest((_ dy: Tensor, GradientRequest) -> [Tensor?])
    /// Passes every needed gradient to `GradientRequest.give`.
    case giving((_ dy: Tensor, GradientRequest) -> Void)
  }

  private struct SavedState {
    var writes = 0
    /// The index of an input, or the number of inputs for the result.
    var owner = 0
  }

  init(
    name: String, innerName: String?, inputs: borrowing ShortList<Tensor>, value: borrowing Tensor,
    derivative: consuming Derivative?
  ) {
    self.name = name
    self.innerName = innerName
    self.derivative = derivative
    var depth = 0
    var targets = ShortList<GradientTarget>()
    for index in inputs.indices {
      let target = inputs[index]?.gradientTarget
      if let function = target?.function { depth = max(depth, function.depth + 1) }
      targets.append(target)
    }
    self.targets = targets
    self.depth = depth
    super.init(shape: value.shape, dtype: value.dtype, isLeaf: false)
  }

  /// Saves the versions of the tensors that the derivative reads, so that `requireUnchanged` can
  /// detect a later change.
  fileprivate func saveVersions(
    _ saved: SavedOperands, of inputs: borrowing ShortList<Tensor>, value: borrowing Tensor
  ) {
    for index in inputs.indices where saved.contains(.input(index)) {
      if let input = inputs[index] { saveVersion(input.storage.version, owner: index) }
    }
    if saved.contains(.result) { saveVersion(value.storage.version, owner: inputs.count) }
  }

  fileprivate func saveVersions(of saved: [Tensor], among inputs: borrowing ShortList<Tensor>) {
    for tensor in saved {
      saveVersion(tensor.storage.version, owner: owner(of: tensor.storage.base, among: inputs))
    }
  }

  /// The index of the input with this memory, or the number of inputs if it is the result's memory.
  private func owner(
    of memory: UnsafeMutableRawPointer, among inputs: borrowing ShortList<Tensor>
  ) -> Int {
    for index in inputs.indices where inputs[index]?.storage.base == memory { return index }
    return inputs.count
  }

  private func saveVersion(_ version: StorageVersion, owner: Int) {
    let state = SavedState(writes: version.writes, owner: owner)
    if versions.count < 3 { states[versions.count] = state } else { otherStates.append(state) }
    versions.append(version)
  }

  /// Traps if a saved tensor was written in place after the op was recorded.
  func requireUnchanged() {
    for index in versions.indices {
      let saved = index < 3 ? states[index] : otherStates[index - 3]
      if versions[index]?.writes == saved.writes { continue }
      let what = saved.owner < targets.count ? "its input \(saved.owner)" : "its result"
      fatalError(
        "backward: \(self) needs \(what) as it was, but it has been changed in place since; "
          + "change a copy (copied()), or use maskedFilled or Tensor.where")
    }
  }

  /// Frees the functions that only this one refers to in a loop. Without it, each deinit would run
  /// inside another one, and a long chain (a recurrent network over a thousand steps) would
  /// overflow the stack.
  deinit {
    var next: GradientFunction?
    var others: [GradientFunction] = []
    moveTargets(to: &next, &others)
    while var function = next ?? others.popLast() {
      next = nil
      if isKnownUniquelyReferenced(&function) { function.moveTargets(to: &next, &others) }
    }
  }

  /// Moves the references to the functions of the inputs out of this one: the first into `next`,
  /// which is nil before, the rest into `others`. A chain needs only `next`, which allocates no
  /// memory.
  private func moveTargets(
    to next: inout GradientFunction?, _ others: inout [GradientFunction]
  ) {
    for index in targets.indices {
      guard let function = targets[index]?.function else { continue }
      if next == nil { next = function } else { others.append(function) }
    }
    targets = ShortList()
    // The captured values may include tensors with a graph of their own.
    derivative = nil
    if inner != nil, isKnownUniquelyReferenced(&inner) { inner?.targets = ShortList() }
  }

  /// The functions that computed this one's inputs, in input order; nil for a leaf or a constant.
  public var nextFunctions: [GradientFunction?] {
    if let innerName {
      let node = inner ?? GradientFunction(name: innerName, of: self)
      inner = node
      return [node]
    }
    return targets.indices.map { targets[$0]?.function }
  }

  /// A node that represents the second op of `function`, for walks of the graph only.
  private init(name: String, of function: GradientFunction) {
    self.name = name
    targets = function.targets
    depth = function.depth
    innerName = nil
    super.init(shape: function.shape, dtype: function.dtype, isLeaf: false)
  }
}

extension GradientFunction: CustomStringConvertible {
  /// The name in PyTorch's style, such as "LinearBackward".
  public var description: String {
    name.prefix(1).uppercased() + name.dropFirst() + "Backward"
  }
}

/// The request of the engine to an op's derivative: which gradients it needs, and where to write
/// them.
public struct GradientRequest {
  let function: GradientFunction
  let progress: BackwardProgress?

  /// Whether the gradient of input `index` is needed. For the others the derivative may return nil.
  public func isNeeded(_ index: Int) -> Bool {
    function.targets[index] != nil
  }

  /// Passes the gradient of input `index` to the engine; nil if there is none.
  func give(_ gradient: Tensor?, to index: Int) {
    function.pass(gradient, along: index, progress)
  }

  /// The destination memory for the gradient of input `index`, a part of an arena. nil if there is
  /// none, if the gradient is not the first contribution, or if the same leaf is an input of this op
  /// twice. After writing the gradient to this tensor, return this same tensor.
  public func destination(_ index: Int) -> Tensor? {
    guard let leaf = function.targets[index]?.leaf, leaf.gradient == nil else { return nil }
    // A leaf that is an input twice gets two contributions; neither may overwrite the other.
    for other in function.targets.indices where other != index {
      if function.targets[other] === leaf { return nil }
    }
    return leaf.destination
  }
}

/// The tensors whose elements an op's derivative reads: some of its inputs, and its result.
struct SavedOperands: OptionSet {
  let rawValue: UInt64
  static let result = SavedOperands(rawValue: 1 << 63)
  static let all = SavedOperands(rawValue: .max)
  /// An index of 64 or more has no bit and always counts as read. Index 63 shares the bit of the
  /// result.
  static func input(_ index: Int) -> SavedOperands { SavedOperands(rawValue: 1 << UInt64(index)) }
}

/// Records an op in the graph and returns its result with a history.
/// - Parameters:
///   - name: the name of the op.
///   - inputs: the tensors it was computed from, in the order in which `backward` returns
///     gradients.
///   - value: the result, computed without history. `backward` may capture it: the returned tensor
///     is another view, so there is no reference cycle.
///   - saved: the tensors whose elements `backward` reads; nil: all inputs and the result. A
///     backward pass traps if one of them was written in place after this call.
///   - backward: computes one gradient for each input from the gradient of the result; nil where
///     none flows. Its captured values stay in memory until the backward pass: capture as little as
///     possible.
public func record(
  _ name: String, inputs: [Tensor], value: Tensor, saving saved: [Tensor]? = nil,
  backward: @escaping (_ dy: Tensor, _ request: GradientRequest) -> [Tensor?]
) -> Tensor {
  record(name, inputs: ShortList(inputs), value: value, saving: saved, .onRequest(backward))
}

/// `record` for an op whose derivative does not use the request.
public func record(
  _ name: String, inputs: [Tensor], value: Tensor, saving saved: [Tensor]? = nil,
  backward: @escaping (_ dy: Tensor) -> [Tensor?]
) -> Tensor {
  record(name, inputs: ShortList(inputs), value: value, saving: saved, .ofGradient(backward))
}

private func record(
  _ name: String, inputs: ShortList<Tensor>, value: Tensor, saving saved: [Tensor]?,
  _ derivative: GradientFunction.Derivative
) -> Tensor {
  guard isRecorded(inputs) else { return value }
  let function = GradientFunction(
    name: name, innerName: nil, inputs: inputs, value: value, derivative: derivative)
  if let saved {
    function.saveVersions(of: saved, among: inputs)
  } else {
    function.saveVersions(.all, of: inputs, value: value)
  }
  return result(value, of: function)
}

/// `record` for an op of one input. It allocates no array: steps of small networks have many such
/// ops.
func record(
  _ name: String, input: Tensor, value: Tensor, saving saved: SavedOperands,
  backward: @escaping (_ dy: Tensor) -> Tensor
) -> Tensor {
  var inputs = ShortList<Tensor>()
  inputs.append(input)
  guard isRecorded(inputs) else { return value }
  return recorded(
    name, inputs: inputs, value: value, saving: saved,
    .giving { dy, request in request.give(backward(dy), to: 0) })
}

/// Whether an op with these inputs must be recorded in the graph.
func isRecorded(_ inputs: borrowing ShortList<Tensor>) -> Bool {
  guard isRecording else { return false }
  for index in inputs.indices where inputs[index]?.requiresGrad ?? false { return true }
  return false
}

/// `record` for a caller that has already checked `isRecorded`.
/// - innerName: the name of the op before this one, if this op computes both together; otherwise
///   nil.
func recorded(
  _ name: String, innerName: String? = nil, inputs: borrowing ShortList<Tensor>, value: Tensor,
  saving saved: SavedOperands, _ derivative: consuming GradientFunction.Derivative
) -> Tensor {
  let function = GradientFunction(
    name: name, innerName: innerName, inputs: inputs, value: value, derivative: derivative)
  function.saveVersions(saved, of: inputs, value: value)
  return result(value, of: function)
}

/// Another view of `value`, with a history.
private func result(_ value: Tensor, of function: GradientFunction) -> Tensor {
  let result = value.detached()
  result.attach(function, detachedView: value)
  return result
}
