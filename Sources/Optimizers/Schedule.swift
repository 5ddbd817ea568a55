import Glibc

/// How the learning rate goes along a run.
public enum Schedule: Sendable, Equatable {
  case constant
  /// From the base rate to 0 along half a cosine over the run, PyTorch's CosineAnnealingLR with one
  /// period: lr (1 + cos(pi (step - 1) / totalSteps)) / 2.
  case cosine

  /// The rate of `step`, counted from 1.
  public func rate(base: Double, step: Int, totalSteps: Int) -> Double {
    switch self {
    case .constant: base
    case .cosine: base * (1 + cos(.pi * Double(step - 1) / Double(totalSteps))) / 2
    }
  }
}
