import CSystem
import System
import Tensors

/// The gradient of a leaf: its value, its destination memory, and what is known about it.
final class LeafGradient: GradientTarget {
  /// Fixed memory for the gradient, a part of an arena; nil: each backward pass allocates memory.
  @exclusivity(unchecked) var destination: Tensor?
  /// nil before the first backward pass and after `zeroGrad`.
  @exclusivity(unchecked) var gradient: Tensor?
  /// The number of contributions that an observed backward pass has not made yet.
  var missingContributions = 0

  init(of tensor: Tensor) {
    super.init(shape: tensor.shape, dtype: tensor.dtype, isLeaf: true)
  }

  /// Adds a contribution. The first one may already be in the destination memory.
  func accumulate(_ contribution: Tensor) {
    if let gradient {
      // In place only in the destination, which is exclusively owned.
      self.gradient = Ops.add(gradient, contribution, into: destination)
    } else if let destination {
      if contribution !== destination { Ops.copy(contribution, into: destination) }
      gradient = destination
    } else {
      // A copy: the contribution may be a view that others read, and the owner of the leaf may
      // change the gradient.
      gradient = contribution.copied()
    }
  }
}

extension Tensor {
  /// The target of this tensor's gradient: the gradient of a leaf, or the function that computed
  /// the tensor; nil if the tensor takes no part in differentiation. It is stored in `history`.
  @inline(__always) var gradientTarget: GradientTarget? {
    history.map { unsafeDowncast($0, to: GradientTarget.self) }
  }

  /// Gives a tensor a history.
  /// - detachedView: the same view, without a history.
  func attach(_ target: GradientTarget, detachedView: Tensor) {
    history = target
    self.detachedView = detachedView
  }

  /// This tensor's elements without its history: a view of the same memory through which no
  /// gradient flows. Closures of ops capture this view, so that no tensor keeps its own graph
  /// alive.
  public var value: Tensor { detachedView ?? self }

  /// Whether `backward` computes a gradient for this tensor, or passes one through it to others.
  ///
  /// Setting it to true makes the tensor a leaf.
  /// - Precondition to set: the tensor is not the result of an op with a history, and its dtype is
  ///   float32 or float64.
  public var requiresGrad: Bool {
    get { history != nil }
    set {
      require(
        gradientFunction == nil,
        "requiresGrad: only a leaf can be changed; this tensor was made by "
          + "\(gradientFunction?.name ?? ""); use its `value` to cut the graph")
      guard newValue else {
        history = nil
        detachedView = nil
        return
      }
      require(dtype.isFloatingPoint, "requiresGrad: a tensor of \(dtype) has no gradient")
      if history == nil {
        let view = detached()
        attach(LeafGradient(of: view), detachedView: view)
      }
    }
  }

  /// The gradient of a leaf: nil before the first backward pass and after `zeroGrad`. Several
  /// passes add their gradients up.
  public var grad: Tensor? { gradientTarget?.leaf?.gradient }

  /// Removes the gradient, so that the next backward pass starts from nil.
  public func zeroGrad() {
    guard let leaf = gradientTarget?.leaf else { return }
    leaf.gradient = nil
  }

  /// The graph node that computed this tensor; nil for a leaf.
  public var gradientFunction: GradientFunction? { gradientTarget?.function }

  /// Moves a leaf into arenas: its elements become a view of `storage` at `offset`, and its
  /// gradients are written to `gradient`. The elements are not copied.
  /// - Precondition: a contiguous leaf; `gradient` is contiguous and has its shape and dtype.
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
    detachedView = detached()
  }
}

/// Runs `body` without recording a graph. Affects only this thread.
public func noGrad<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = nd_thread_slot(noGradSlot)
  nd_set_thread_slot(noGradSlot, UnsafeMutableRawPointer(bitPattern: 1))
  defer { nd_set_thread_slot(noGradSlot, before) }
  return try body()
}

private let noGradSlot: Int32 = 1

/// Whether ops on this thread record a graph.
var isRecording: Bool { nd_thread_slot(noGradSlot) == nil }
