import Autograd
import Tensors

/// y = x Wᵀ + b.
/// - Input [..., inFeatures], output [..., outFeatures], with any axes in front.
public final class Linear: Module, HasPrecision {
  public let inFeatures: Int
  public let outFeatures: Int
  public let weight: Tensor  // [out, in]
  public let bias: Tensor?  // [out]
  public var precision = Precision.float32

  /// - seed: of the first values; `initialize(seed:)` of the whole network gives others.
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

  /// `activation` of what the layer puts out.
  func callAsFunction(_ x: Tensor, activation: OutputActivation) -> Tensor {
    linear(x, weight: weight, bias: bias, precision: precision, activation: activation)
  }

  public var extraDescription: String {
    "in_features=\(inFeatures), out_features=\(outFeatures), bias=\(pythonFlag(bias != nil))"
  }
}
