import Autograd
import Tensors

/// y = x Wᵀ + b.
/// - Input [..., inFeatures], output [..., outFeatures], with any number of axes before the last.
public final class Linear: Module, HasPrecision {
  public let inFeatures: Int
  public let outFeatures: Int
  public let weight: Tensor  // [out, in]
  public let bias: Tensor?  // [out]
  public var precision = Precision.float32

  /// - seed: the seed of the initial values. `initialize(seed:)` of the whole network replaces
  ///   them.
  public init(_ inFeatures: Int, _ outFeatures: Int, bias: Bool = true, seed: UInt64 = 0) {
    self.inFeatures = inFeatures
    self.outFeatures = outFeatures
    weight = newParameter([outFeatures, inFeatures])
    self.bias = bias ? newParameter([outFeatures]) : nil
    fillParameters(seed: seed)
  }

  public func visit(_ v: inout Visitor) {
    v("weight", weight, .defaultUniform(fanIn: inFeatures))
    if let bias { v("bias", bias, .defaultUniform(fanIn: inFeatures)) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    linear(x, weight: weight, bias: bias, precision: precision)
  }

  /// `activation` applied to the output, computed together with it.
  func callAsFunction(_ x: Tensor, activation: OutputActivation) -> Tensor {
    linear(x, weight: weight, bias: bias, precision: precision, activation: activation)
  }

  public var extraDescription: String {
    "in_features=\(inFeatures), out_features=\(outFeatures), bias=\(pythonFlag(bias != nil))"
  }
}
