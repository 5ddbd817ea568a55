import CSystem
import System
import Tensors

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
  /// Where this tensor's gradient flows to: a leaf's gradient, or the function that made it; nil where it
  /// takes no part in differentiation. It hangs on the tensor's `history`.
  @inline(__always) var gradientTarget: GradientTarget? {
    history.map { unsafeDowncast($0, to: GradientTarget.self) }
  }

  /// Gives a tensor without history one.
  /// - bare: the same view, without.
  func takePart(_ target: GradientTarget, bare: Tensor) {
    history = target
    self.bare = bare
  }

  /// This tensor's elements without its history: a view on the same memory that no gradient flows
  /// through; what closures capture, so that no tensor keeps its own graph.
  public var value: Tensor { bare ?? self }

  /// Whether `backward` gives this tensor a gradient or passes one on through it.
  ///
  /// Setting it makes the tensor a leaf.
  /// - Precondition: only a leaf can be set, and only float32 and float64 have gradients.
  public var requiresGrad: Bool {
    get { history != nil }
    set {
      require(
        gradientFunction == nil,
        "requiresGrad: only a leaf can be changed; this tensor was made by "
          + "\(gradientFunction?.name ?? ""); use its `value` to cut the graph")
      guard newValue else {
        history = nil
        bare = nil
        return
      }
      require(dtype.isFloatingPoint, "requiresGrad: a tensor of \(dtype) has no gradient")
      if history == nil {
        let bare = Tensor(
          storage: storage, shape: shape, strides: strides, offset: offset, dtype: dtype)
        takePart(LeafGradient(of: bare), bare: bare)
      }
    }
  }

  /// The gradient of a leaf: nil before the first backward pass and after `zeroGrad`. Contributions
  /// of several passes add up.
  public var grad: Tensor? { gradientTarget?.leaf?.gradient }

  /// Forgets the gradient, so that the next backward pass starts anew.
  public func zeroGrad() {
    guard let leaf = gradientTarget?.leaf else { return }
    leaf.gradient = nil
    leaf.isSurelyFinite = false
  }

  /// Asks ops that can tell at little cost whether this leaf's gradient is finite to do so.
  package func askWhetherGradientIsFinite() { gradientTarget?.leaf?.asksWhetherFinite = true }

  /// Whether no element of a leaf's gradient can be infinite or not a number; false: nobody knows, as
  /// without `askWhetherGradientIsFinite`. Of the gradient as the backward pass left it.
  package var gradientIsSurelyFinite: Bool { gradientTarget?.leaf?.isSurelyFinite ?? false }

  /// What made this tensor; nil for a leaf.
  public var gradientFunction: GradientFunction? { gradientTarget?.function }

  /// Makes a leaf's elements and gradient views into arenas: the elements are those of `storage` at
  /// `offset`, and gradients are written to `gradient`, from now on.
  /// - Precondition: a contiguous leaf; `gradient` has its shape and dtype.
  package func adopt(_ storage: Storage, offset: Int, gradient: Tensor) {
    guard let leaf = gradientTarget?.leaf else {
      fatalError("only a leaf can move into an arena")
    }
    require(
      gradient.shape == shape && gradient.dtype == dtype && gradient.isContiguous,
      "an arena's gradient of shape \(gradient.shape) does not fit a parameter of shape \(shape)")
    reseat(on: storage, offset: offset)
    leaf.destination = gradient
    leaf.gradient = nil
    bare = Tensor(
      storage: self.storage, shape: shape, strides: strides, offset: self.offset, dtype: dtype)
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
