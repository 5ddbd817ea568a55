import Tensors

/// A layer whose products may take rounded operands: Linear, Conv2d, ConvTranspose2d. Recurrent layers
/// and attention compute in float32.
public protocol HasPrecision: AnyObject {
  var precision: Precision { get set }
}

extension Module {
  /// Gives every layer that has one this precision. Parameters and gradients are float32 in any.
  public func setPrecision(_ precision: Precision) {
    forEachModule { ($1 as? any HasPrecision)?.precision = precision }
  }
}
