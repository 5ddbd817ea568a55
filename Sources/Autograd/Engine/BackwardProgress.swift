import System
import Tensors

/// Who wants to know which gradients are final while a backward pass still goes on.
public final class BackwardProgress {
  private let onFinal: (_ gradient: Tensor, _ first: Int) -> Void

  /// - Parameter onFinal: called on the backward pass's thread with the fixed memory of a leaf's
  ///   gradient and the index of its first element that will not change any more; the elements behind
  ///   it will not either. Leaves whose gradients have no fixed memory are not told of.
  public init(onFinal: @escaping (_ gradient: Tensor, _ first: Int) -> Void) {
    self.onFinal = onFinal
  }

  /// Counts what each leaf has to expect.
  func count(_ functions: [GradientFunction]) {
    func each(_ body: (LeafGradient) -> Void) {
      for function in functions {
        for index in function.targets.indices {
          if let leaf = function.targets[index]?.leaf { body(leaf) }
        }
      }
    }
    each { $0.missingContributions = 0 }
    each { $0.missingContributions += 1 }
  }

  func noteContribution(to leaf: LeafGradient) {
    leaf.missingContributions -= 1
    if leaf.missingContributions == 0, let destination = leaf.destination {
      onFinal(destination, 0)
    }
  }

  fileprivate func note(_ gradient: Tensor, of leaf: LeafGradient, from first: Int) {
    // Another contribution would still be added.
    if leaf.missingContributions == 1, gradient === leaf.destination { onFinal(gradient, first) }
  }
}

extension GradientRequest {
  /// Whether somebody waits for gradients while the pass goes on.
  var isWatched: Bool { progress != nil }

  /// Says that the gradient of input `index`, which lies in its `destination`, is complete from
  /// element `first` on, before the op's derivative is done.
  func noteFinal(_ index: Int, _ gradient: Tensor, from first: Int) {
    guard let progress, let leaf = function.targets[index]?.leaf else { return }
    progress.note(gradient, of: leaf, from: first)
  }
}
