import Autograd
import System
import Tensors

/// Splits one axis into several.
/// - Input [..., n, ...], output [..., sizes, ...]. At most one of `sizes` may be -1; it is
///   computed from the others.
public final class Unflatten: Module {
  public let axis: Int
  public let sizes: [Int]

  public init(axis: Int, sizes: [Int]) {
    self.axis = axis
    self.sizes = sizes
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let index = axis < 0 ? axis + x.axisCount : axis
    let extent = x.shape.extent(of: index, op: "Unflatten")
    let known = sizes.filter { $0 != -1 }.reduce(1, *)
    let open = sizes.filter { $0 == -1 }.count
    require(
      open == 0 ? known == extent : open == 1 && known > 0 && extent % known == 0,
      "Unflatten: axis \(axis) of input \(x.shape) has \(extent) elements, which do not fill \(sizes)"
    )
    let whole = sizes.map { $0 == -1 ? extent / known : $0 }
    return x.reshaped(Shape(Array(x.shape[..<index]) + whole + Array(x.shape[(index + 1)...])))
  }

  public var extraDescription: String {
    let sizes = sizes.map(String.init).joined(separator: ", ")
    return "dim=\(axis), unflattened_size=(\(sizes)\(self.sizes.count == 1 ? "," : ""))"
  }
}
