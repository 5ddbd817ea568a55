import Autograd
import System
import Tensors

/// An autoencoder: it maps images to a narrow layer and back. It is the notebooks' AE (system S28).
/// The output of the encoder is that of the module "net.2".
/// - Input [N, ...] with `inputs` elements for each sample, output [N, image].
public final class Autoencoder: Module {
  public let net: Sequential
  public let image: [Int]

  /// - Precondition: `image` has `inputs` elements.
  public init(inputs: Int, hidden: Int, image: [Int]) {
    require(
      image.reduce(1, *) == inputs,
      "Autoencoder: an image of shape \(Shape(image)) has \(image.reduce(1, *)) elements, not \(inputs)"
    )
    net = Sequential(Flatten(), Linear(inputs, hidden), ReLU(), Linear(hidden, inputs), Sigmoid())
    self.image = image
  }

  public func visit(_ v: inout Visitor) { v("net", net) }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let y = net.call(x)
    return y.reshaped(Shape([y.shape[0]] + image))
  }

  public var typeName: String { "AE" }
}
