import Autograd
import TensorCore

/// y = x Wᵀ + b.
/// - Input [N, inFeatures], output [N, outFeatures].
public final class Linear: Module {
  public let inFeatures: Int
  public let outFeatures: Int
  public let weight: Tensor  // [out, in]
  public let bias: Tensor?  // [out]

  /// Parameters are zero until `initialize(seed:)` fills them.
  public init(_ inFeatures: Int, _ outFeatures: Int, bias: Bool = true) {
    self.inFeatures = inFeatures
    self.outFeatures = outFeatures
    weight = Tensor(zeros: [outFeatures, inFeatures])
    weight.requiresGrad = true
    self.bias = bias ? Tensor(zeros: [outFeatures]) : nil
    self.bias?.requiresGrad = true
  }

  public func visit(_ v: inout Visitor) {
    v("weight", weight, .defaultUniform(fanIn: inFeatures))
    if let bias { v("bias", bias, .defaultUniform(fanIn: inFeatures)) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { linear(x, weight: weight, bias: bias) }

  public var extraDescription: String {
    "in_features=\(inFeatures), out_features=\(outFeatures), bias=\(bias == nil ? "False" : "True")"
  }
}
