import Autograd
import Tensors

/// y = weight (x - mean) / sqrt(variance + epsilon) + bias, with the moments of each sample over
/// its last axes.
/// - Input and output [..., shape].
public final class LayerNorm: Module {
  public let shape: Shape
  public let epsilon: Double
  public let weight, bias: Tensor?  // [shape]

  /// - affine: whether there are a weight and a bias. With `bias` false there is only the weight.
  public init(_ shape: Shape, epsilon: Double = 1e-5, affine: Bool = true, bias: Bool = true) {
    self.shape = shape
    self.epsilon = epsilon
    weight = affine ? newParameter(shape) : nil
    self.bias = affine && bias ? newParameter(shape) : nil
    weight?.initialize(.ones, seed: 0)
  }

  public func visit(_ v: inout Visitor) {
    if let weight { v("weight", weight, .ones) }
    if let bias { v("bias", bias, .zeros) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    layerNorm(x, over: shape, weight: weight, bias: bias, epsilon: epsilon)
  }

  public var extraDescription: String {
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    return "(\(extents)), eps=\(epsilon), elementwise_affine=\(pythonFlag(weight != nil)), "
      + "bias=\(pythonFlag(bias != nil))"
  }
}
