import Autograd
import TensorCore

/// Modules one after the other.
///
/// PyTorch's Sequential, whose children are named "0", "1", ...; with names and a class name of its
/// own it is any network that passes its input through its children in order.
public final class Sequential: Module {
  public let typeName: String
  public let children: [(name: String, module: any Module)]

  public convenience init(_ modules: any Module...) {
    self.init(named: modules.enumerated().map { (String($0), $1) })
  }

  /// - Precondition: no name twice.
  public init(named children: [(name: String, module: any Module)], typeName: String = "Sequential")
  {
    require(
      Set(children.map(\.name)).count == children.count,
      "two children of a Sequential share a name: \(children.map(\.name))")
    self.children = children
    self.typeName = typeName
  }

  public func visit(_ v: inout Visitor) {
    for child in children { v(child.name, child.module) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    children.reduce(x) { x, child in child.module.call(x) }
  }
}
