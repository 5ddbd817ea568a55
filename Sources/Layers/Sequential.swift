import Autograd
import TensorCore

/// Modules one after the other.
///
/// PyTorch's Sequential, whose children are named "0", "1", ...; with names and a class name of its
/// own it is any network that passes its input through its children in order.
public final class Sequential: Module {
  public let typeName: String
  public let children: [(name: String, module: any Module)]
  private let steps: [Step]

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
    steps = Sequential.steps(of: children.map(\.module))
    self.typeName = typeName
  }

  public func visit(_ v: inout Visitor) {
    for child in children { v(child.name, child.module) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if ActivationRecorder.isRecording { return children.reduce(x) { $1.module.call($0) } }
    return steps.reduce(x) { $1($0) }
  }

  /// What is done at once where nobody looks at what lies between.
  private enum Step {
    case call(any Module)
    /// The largest of what is rectified is what is rectified of the largest, and so are the gradients,
    /// to the bit; but there are fewer of them to rectify.
    case pool(Conv2d?, MaxPool2d, ReLU?)

    func callAsFunction(_ x: Tensor) -> Tensor {
      switch self {
      case .call(let module): return module.call(x)
      case .pool(let convolution, let pool, let relu):
        let y = convolution?(x, pooledBy: pool) ?? pool(x)
        return relu?(y) ?? y
      }
    }
  }

  private static func steps(of modules: [any Module]) -> [Step] {
    var steps: [Step] = []
    var rest = modules[...]
    while let first = rest.first {
      let convolution = first as? Conv2d
      var tail = convolution == nil ? rest : rest.dropFirst()
      let relu = tail.first as? ReLU
      if relu != nil { tail = tail.dropFirst() }
      if tail.count < rest.count, let pool = tail.first as? MaxPool2d {
        steps.append(.pool(convolution, pool, relu))
        rest = tail.dropFirst()
      } else {
        steps.append(.call(first))
        rest = rest.dropFirst()
      }
    }
    return steps
  }
}
