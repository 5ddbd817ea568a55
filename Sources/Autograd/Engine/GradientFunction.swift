import Tensors

/// Where a gradient flows to: a leaf's gradient, or a function of the graph.
public class GradientTarget {
  /// Of the tensor whose gradient it is.
  final let shape: Shape
  final let dtype: DType
  /// The other kind is `GradientFunction`. A cast would ask the run time.
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

/// A node of the graph: the op that made a tensor, and how gradients flow back through it.
public final class GradientFunction: GradientTarget {
  /// The op's name, such as "linear".
  public let name: String
  /// Where the gradients of the inputs go; nil for an input that needs none.
  @exclusivity(unchecked) private(set) var targets = ShortList<GradientTarget>()
  /// Longest way from a leaf. An op lies deeper than everything it was made from, so going from the
  /// deepest up meets every op after all its users.
  let depth: Int
  /// nil once a backward pass has used and freed it.
  @exclusivity(unchecked) var derivative: Derivative?
  /// The op that this function computes along with its own, by name: the one that made its input, for
  /// whoever walks the graph.
  private let innerName: String?
  private var inner: GradientFunction?
  /// Of the memory the op saved.
  @exclusivity(unchecked) private var versions = ShortList<StorageVersion>()
  /// How often each had been written by then, and whose it is: the index of an input, or the number of
  /// inputs for the result. The first three, and the others.
  @exclusivity(unchecked) private var states = InlineArray<3, SavedState>(repeating: SavedState())
  @exclusivity(unchecked) private var otherStates: [SavedState] = []
  /// The gradient collected during a backward pass.
  @exclusivity(unchecked) var collected: Tensor?
  /// Whether the current backward pass has met this function.
  @exclusivity(unchecked) var isQueued = false

  /// From the gradient of the result to those of the inputs.
  enum Derivative {
    case ofGradient((_ dy: Tensor) -> [Tensor?])
    case onRequest((_ dy: Tensor, GradientRequest) -> [Tensor?])
    /// Gives every gradient that is needed to the request.
    case giving((_ dy: Tensor, GradientRequest) -> Void)
  }

  private struct SavedState {
    var writes = 0
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

  /// Notes what the derivative reads, so that a later change of it is noticed.
  fileprivate func note(
    _ saved: SavedOperands, of inputs: borrowing ShortList<Tensor>, value: borrowing Tensor
  ) {
    for index in inputs.indices where saved.contains(.input(index)) {
      if let input = inputs[index] { note(input.storage.version, owner: index) }
    }
    if saved.contains(.result) { note(value.storage.version, owner: inputs.count) }
  }

  fileprivate func note(_ saved: [Tensor], among inputs: borrowing ShortList<Tensor>) {
    for tensor in saved {
      note(tensor.storage.version, owner: owner(of: tensor.storage.base, among: inputs))
    }
  }

  /// Which input's memory it is; the result's, if none's.
  private func owner(
    of memory: UnsafeMutableRawPointer, among inputs: borrowing ShortList<Tensor>
  ) -> Int {
    for index in inputs.indices where inputs[index]?.storage.base == memory { return index }
    return inputs.count
  }

  private func note(_ version: StorageVersion, owner: Int) {
    let state = SavedState(writes: version.writes, owner: owner)
    if versions.count < 3 { states[versions.count] = state } else { otherStates.append(state) }
    versions.append(version)
  }

  /// - Precondition: nothing the op saved was written in place since.
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

  /// Frees the graph behind in a loop: released one by one from within each other's deinit, a long
  /// chain (a recurrent net over a thousand steps) would overflow the stack.
  deinit {
    var next: GradientFunction?
    var others: [GradientFunction] = []
    letGo(&next, &others)
    while var function = next ?? others.popLast() {
      next = nil
      if isKnownUniquelyReferenced(&function) { function.letGo(&next, &others) }
    }
  }

  /// Takes the functions behind off this one: the first into `next`, which is nil, as a chain needs no
  /// more.
  private func letGo(_ next: inout GradientFunction?, _ others: inout [GradientFunction]) {
    for index in targets.indices {
      guard let function = targets[index]?.function else { continue }
      if next == nil { next = function } else { others.append(function) }
    }
    targets = ShortList()
    // What the op saved may hold tensors with a graph of their own.
    derivative = nil
    if inner != nil, isKnownUniquelyReferenced(&inner) { inner?.targets = ShortList() }
  }

  /// The functions that made this one's inputs, in input order; nil for a leaf or a constant.
  public var nextFunctions: [GradientFunction?] {
    if let innerName {
      let known = inner ?? GradientFunction(name: innerName, of: self)
      inner = known
      return [known]
    }
    return targets.indices.map { targets[$0]?.function }
  }

  /// Stands for the op whose derivative `function` computes with its own.
  private init(name: String, of function: GradientFunction) {
    self.name = name
    targets = function.targets
    depth = function.depth
    innerName = nil
    super.init(shape: function.shape, dtype: function.dtype, isLeaf: false)
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
    function.targets[index] != nil
  }

  /// Passes the gradient of input `index` on.
  func give(_ gradient: Tensor?, to index: Int) {
    function.pass(gradient, along: index, progress)
  }

  /// Memory where the gradient of input `index` is to end up, if it may be written there at once:
  /// an arena's, at the first contribution. Return that very tensor after writing it.
  public func destination(_ index: Int) -> Tensor? {
    guard let leaf = function.targets[index]?.leaf, leaf.gradient == nil else { return nil }
    // A leaf that enters an op twice gets two contributions at once: neither may overwrite.
    for other in function.targets.indices where other != index {
      if function.targets[other] === leaf { return nil }
    }
    return leaf.destination
  }
}

extension GradientRequest {
  /// Whether somebody wants to know if the gradient of input `index` is finite.
  func asksWhetherFinite(_ index: Int) -> Bool {
    function.targets[index]?.leaf?.asksWhetherFinite ?? false
  }

  /// Says that the contribution of this op to the gradient of input `index` is finite.
  func noteFinite(_ index: Int) {
    guard let leaf = function.targets[index]?.leaf, leaf.gradient == nil else { return }
    leaf.isSurelyFinite = true
  }
}

/// Whose elements an op's derivative reads: of its inputs, and of its result.
struct SavedOperands: OptionSet {
  let rawValue: UInt64
  static let result = SavedOperands(rawValue: 1 << 63)
  static let all = SavedOperands(rawValue: .max)
  /// The 64th and all behind it are always taken to be read.
  static func input(_ index: Int) -> SavedOperands { SavedOperands(rawValue: 1 << UInt64(index)) }
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
  record(name, inputs: ShortList(inputs), value: value, saving: saved, .onRequest(backward))
}

/// The same for an op whose gradients are too small to care where they go.
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
    function.note(saved, among: inputs)
  } else {
    function.note(.all, of: inputs, value: value)
  }
  return result(value, of: function)
}

/// The same for an op of one input, without an array: steps of small networks have many.
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

/// Whether an op of these inputs gets a place in the graph.
func isRecorded(_ inputs: borrowing ShortList<Tensor>) -> Bool {
  guard isRecording else { return false }
  for index in inputs.indices where inputs[index]?.requiresGrad ?? false { return true }
  return false
}

/// `record` for an op that has asked `isRecorded`.
/// - innerName: of the op whose result this one's would be computed from, had it not been computed along
///   with it.
func recorded(
  _ name: String, innerName: String? = nil, inputs: borrowing ShortList<Tensor>, value: Tensor,
  saving saved: SavedOperands, _ derivative: consuming GradientFunction.Derivative
) -> Tensor {
  let function = GradientFunction(
    name: name, innerName: innerName, inputs: inputs, value: value, derivative: derivative)
  function.note(saved, of: inputs, value: value)
  return result(value, of: function)
}

/// Another view, with a history.
private func result(_ value: Tensor, of function: GradientFunction) -> Tensor {
  let result = Tensor(
    storage: value.storage, shape: value.shape, strides: value.strides, offset: value.offset,
    dtype: value.dtype)
  result.takePart(function, bare: value)
  return result
}
