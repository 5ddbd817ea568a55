import System
import Tensors

/// An observer that is told which gradients are final while a backward pass is still running.
public final class BackwardProgress {
  private let onFinal: (_ gradient: Tensor, _ first: Int) -> Void

  /// - Parameter onFinal: called on the thread of the backward pass, with the destination memory of
  ///   a leaf's gradient and the index of its first final element. That element and all after it
  ///   will not change any more. Not called for leaves whose gradients have no destination memory.
  public init(onFinal: @escaping (_ gradient: Tensor, _ first: Int) -> Void) {
    self.onFinal = onFinal
  }

  /// Counts for each leaf the contributions that `functions` will make to its gradient.
  func count(_ functions: [GradientFunction]) {
    func forEachLeaf(_ body: (LeafGradient) -> Void) {
      for function in functions {
        for index in function.targets.indices {
          if let leaf = function.targets[index]?.leaf { body(leaf) }
        }
      }
    }
    forEachLeaf { $0.missingContributions = 0 }
    forEachLeaf { $0.missingContributions += 1 }
  }

  func noteContribution(to leaf: LeafGradient) {
    leaf.missingContributions -= 1
    if leaf.missingContributions == 0, let destination = leaf.destination {
      onFinal(destination, 0)
    }
  }

  fileprivate func note(_ gradient: Tensor, of leaf: LeafGradient, from first: Int) {
    // While more contributions are missing, they would still be added to this one.
    if leaf.missingContributions == 1, gradient === leaf.destination { onFinal(gradient, first) }
  }
}

extension GradientRequest {
  /// Whether an observer is told about final gradients during the pass.
  var isObserved: Bool { progress != nil }

  /// Reports that the gradient of input `index`, written to its `destination`, is complete from
  /// element `first` on. Called before the op's derivative returns.
  func noteFinal(_ index: Int, _ gradient: Tensor, from first: Int) {
    guard let progress, let leaf = function.targets[index]?.leaf else { return }
    progress.note(gradient, of: leaf, from: first)
  }
}
