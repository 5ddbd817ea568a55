import Autograd
import System
import Tensors

/// An autoencoder for series. The encoder reads the series into its last hidden state. The decoder
/// gets that hidden state at each step, and a linear layer and a sigmoid compute the series from
/// its outputs (Srivastava et al., 2015, without the feedback).
///
/// A recorder records that hidden state, [N, H], as the output of "encoder".
/// - Input [N, image] or [N, length, features], output of the input's shape, in 0 ... 1.
public final class SequenceAutoencoder: Module {
  public let length, features: Int
  public let image: [Int]
  private let encoder, decoder: any RecurrentLayer
  private let head: Linear
  private let outputActivation = Sigmoid()

  /// - image: the shape of a sample; nil: [length, features].
  /// - Precondition: `image` has length times features elements.
  public init(
    cell: RecurrentCell, features: Int, length: Int, hiddenSize: Int, image: [Int]? = nil
  ) {
    let image = image ?? [length, features]
    require(length > 0, "SequenceAutoencoder: a series of \(length) steps")
    require(
      image.reduce(1, *) == length * features,
      "SequenceAutoencoder: an image of shape \(Shape(image)) is no series of \(length) steps with "
        + "\(features) features")
    self.length = length
    self.features = features
    self.image = image
    encoder = cell.layer(features, hiddenSize)
    decoder = cell.layer(hiddenSize, hiddenSize)
    head = Linear(hiddenSize, features)
  }

  public func visit(_ v: inout Visitor) {
    v("encoder", encoder)
    v("decoder", decoder)
    v("head", head)
    v("output_activation", outputActivation)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let sample = Array(x.shape.dropFirst())
    require(
      x.axisCount > 0 && (sample == image || sample == [length, features]),
      "SequenceAutoencoder: input \(x.shape) must be samples of shape \(Shape(image)) or "
        + "\([length, features])")
    let rows = x.shape[0]
    let series = x.reshaped([rows, length, features] as Shape)
    let code = encoder.noted(encoder.run(series).state.lastHidden)
    let repeated = code.unsqueezed(1).expanded(to: [rows, length, code.shape[1]])
    let decoded = decoder.noted(decoder.run(repeated).output)
    return outputActivation.call(head.call(decoded)).reshaped(x.shape)
  }
}
