import CKernels
import TensorCore

/// What Autograd keeps of a tensor that takes part in differentiation; it hangs on the tensor's
/// `history`.
final class History {
  /// The same view without history: what closures capture, so that no tensor keeps its own graph.
  let value: Tensor
  /// What made the tensor; nil for a leaf.
  let function: GradientFunction?
  /// A leaf's gradient.
  let leaf: LeafGradient?

  init(value: Tensor, function: GradientFunction?, leaf: LeafGradient?) {
    self.value = value
    self.function = function
    self.leaf = leaf
  }
}

/// The gradient of a leaf: where it lies, and whether a backward pass has filled it.
final class LeafGradient: GradientTarget {
  /// Fixed memory for the gradient, a part of an arena; nil: each backward pass allocates.
  @exclusivity(unchecked) var destination: Tensor?
  /// nil before the first backward pass and after `zeroGrad`.
  @exclusivity(unchecked) var gradient: Tensor?
  /// Whether an op that can tell at little cost is to say that a gradient is finite.
  var asksWhetherFinite = false
  /// Whether no element of the gradient can be infinite or not a number; false: nobody knows.
  var isSurelyFinite = false
  /// Contributions that a backward pass which is watched has still to make.
  var missingContributions = 0

  init(of tensor: Tensor) {
    super.init(shape: tensor.shape, dtype: tensor.dtype, isLeaf: true)
  }

  /// Adds a contribution. The first may already lie in the destination.
  func accumulate(_ contribution: Tensor) {
    if let gradient {
      isSurelyFinite = false
      // In place only in memory that is nobody else's.
      self.gradient = Ops.add(gradient, contribution, into: destination)
    } else if let destination {
      if contribution !== destination { Ops.copy(contribution, into: destination) }
      gradient = destination
    } else {
      // A copy: the contribution may be a view that others read, and a gradient is its owner's to
      // change.
      gradient = contribution.copied()
    }
  }
}

extension Tensor {
  var differentiation: History? {
    history.map { unsafeDowncast($0, to: History.self) }
  }

  /// This tensor's elements without its history: a view on the same memory that no gradient flows
  /// through.
  public var value: Tensor { differentiation?.value ?? self }

  /// Whether `backward` gives this tensor a gradient or passes one on through it.
  ///
  /// Setting it makes the tensor a leaf.
  /// - Precondition: only a leaf can be set, and only float32 and float64 have gradients.
  public var requiresGrad: Bool {
    get { differentiation != nil }
    set {
      require(
        differentiation?.function == nil,
        "requiresGrad: only a leaf can be changed; this tensor was made by "
          + "\(differentiation?.function?.name ?? ""); use its `value` to cut the graph")
      guard newValue else {
        history = nil
        return
      }
      require(dtype.isFloatingPoint, "requiresGrad: a tensor of \(dtype) has no gradient")
      if history == nil {
        let bare = Tensor(
          storage: storage, shape: shape, strides: strides, offset: offset, dtype: dtype)
        history = History(value: bare, function: nil, leaf: LeafGradient(of: bare))
      }
    }
  }

  /// The gradient of a leaf: nil before the first backward pass and after `zeroGrad`. Contributions
  /// of several passes add up.
  public var grad: Tensor? { differentiation?.leaf?.gradient }

  /// Forgets the gradient, so that the next backward pass starts anew.
  public func zeroGrad() {
    guard let leaf = differentiation?.leaf else { return }
    leaf.gradient = nil
    leaf.isSurelyFinite = false
  }

  /// Asks ops that can tell at little cost whether this leaf's gradient is finite to do so.
  package func askWhetherGradientIsFinite() { differentiation?.leaf?.asksWhetherFinite = true }

  /// Whether no element of a leaf's gradient can be infinite or not a number; false: nobody knows, as
  /// without `askWhetherGradientIsFinite`. Of the gradient as the backward pass left it.
  package var gradientIsSurelyFinite: Bool { differentiation?.leaf?.isSurelyFinite ?? false }

  /// What made this tensor; nil for a leaf.
  public var gradientFunction: GradientFunction? { differentiation?.function }

  /// Makes a leaf's elements and gradient views into arenas: the elements are those of `storage` at
  /// `offset`, and gradients are written to `gradient`, from now on.
  /// - Precondition: a contiguous leaf; `gradient` has its shape and dtype.
  package func adopt(_ storage: Storage, offset: Int, gradient: Tensor) {
    guard let known = differentiation, let leaf = known.leaf else {
      fatalError("only a leaf can move into an arena")
    }
    require(
      gradient.shape == shape && gradient.dtype == dtype && gradient.isContiguous,
      "an arena's gradient of shape \(gradient.shape) does not fit a parameter of shape \(shape)")
    reseat(on: storage, offset: offset)
    leaf.destination = gradient
    leaf.gradient = nil
    let bare = Tensor(
      storage: self.storage, shape: shape, strides: strides, offset: self.offset, dtype: dtype)
    history = History(value: bare, function: nil, leaf: leaf)
  }
}

/// Runs `body` without recording a graph, on this thread.
public func noGrad<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = nd_thread_slot(noGradSlot)
  nd_set_thread_slot(noGradSlot, UnsafeMutableRawPointer(bitPattern: 1))
  defer { nd_set_thread_slot(noGradSlot, before) }
  return try body()
}

private let noGradSlot: Int32 = 1

var isRecording: Bool { nd_thread_slot(noGradSlot) == nil }
