import Autograd
import TensorCore

/// Modules one after the other.
///
/// PyTorch's Sequential, whose children are named "0", "1", ...; with names and a class name of its
/// own it is any network that passes its input through its children in order.
public final class Sequential: Module {
  public let typeName: String
  public let children: [(name: String, module: any Module)]
  private let parts: [Part]

  /// What is called at once where nobody looks at what lies between.
  private enum Part {
    case module(any Module)
    /// The largest of what is rectified is what is rectified of the largest, and so are the gradients,
    /// to the bit; but there are fewer of them to rectify.
    case rectifiedPool(ReLU, MaxPool2d)
    case activated(Linear, OutputActivation)
  }

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
    parts = Sequential.parts(children.map(\.module))
  }

  private static func parts(_ modules: [any Module]) -> [Part] {
    var parts: [Part] = []
    var rest = modules[...]
    while let module = rest.popFirst() {
      if let relu = module as? ReLU, let pool = rest.first as? MaxPool2d {
        parts.append(.rectifiedPool(relu, pool))
        rest.removeFirst()
      } else if let linear = module as? Linear, let next = rest.first,
        let activation = OutputActivation(next)
      {
        parts.append(.activated(linear, activation))
        rest.removeFirst()
      } else {
        parts.append(.module(module))
      }
    }
    return parts
  }

  public func visit(_ v: inout Visitor) {
    for child in children { v(child.name, child.module) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if ActivationRecorder.isRecording { return children.reduce(x) { $1.module.call($0) } }
    return parts.reduce(x) { x, part in
      switch part {
      case .module(let module): module(x)
      case .rectifiedPool(let relu, let pool): relu(pool(x))
      case .activated(let linear, let activation): linear(x, activation: activation)
      }
    }
  }
}
