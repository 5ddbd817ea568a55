import Tensors

/// A layer whose matrix products can round their operands: Linear, Conv2d, ConvTranspose2d.
/// Recurrent layers and attention always compute in float32.
public protocol HasPrecision: AnyObject {
  var precision: Precision { get set }
}

extension Module {
  /// Sets the precision of every layer that has one. Parameters and gradients are always float32.
  public func setPrecision(_ precision: Precision) {
    forEachModule { ($1 as? any HasPrecision)?.precision = precision }
  }
}
