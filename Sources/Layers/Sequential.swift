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
    var x = x
    var next = 0
    while next < children.count {
      let module = children[next].module
      // The largest of what is rectified is what is rectified of the largest, and so are the gradients,
      // to the bit; but there are fewer of them to rectify. Where nobody looks at what lies between.
      if module is ReLU, next + 1 < children.count, !ActivationRecorder.isRecording,
        let pool = children[next + 1].module as? MaxPool2d
      {
        x = module.call(pool.call(x))
        next += 2
      } else {
        x = module.call(x)
        next += 1
      }
    }
    return x
  }
}
