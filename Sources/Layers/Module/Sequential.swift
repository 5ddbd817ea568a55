import Autograd
import System
import Tensors

/// A network that calls its modules one after the other.
///
/// By default it is PyTorch's Sequential, whose children are named "0", "1", .... With other names
/// and another class name, it can stand for any network that passes its input through its children
/// in order.
public final class Sequential: Module {
  public let typeName: String
  public let children: [(name: String, module: any Module)]
  private let parts: [Part]

  /// A group of modules that is computed by one fused call, unless activations are recorded.
  private enum Part {
    case module(any Module)
    /// ReLU is applied after max pooling instead of before. Outputs and gradients have the same
    /// bits, but fewer elements go through ReLU.
    case pool(Conv2d?, MaxPool2d, ReLU?)
    case activated(Linear, OutputActivation)
  }

  public convenience init(_ modules: any Module...) {
    self.init(named: modules.enumerated().map { (String($0), $1) })
  }

  /// - Precondition: the names are unique.
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
    while let module = rest.first {
      if let (pool, count) = pool(rest) {
        parts.append(pool)
        rest = rest.dropFirst(count)
      } else if let linear = module as? Linear,
        let activation = rest.dropFirst().first.flatMap(OutputActivation.init)
      {
        parts.append(.activated(linear, activation))
        rest = rest.dropFirst(2)
      } else {
        parts.append(.module(module))
        rest = rest.dropFirst()
      }
    }
    return parts
  }

  /// Returns a fused part if `modules` start with a convolution, a ReLU, or both, followed by a
  /// MaxPool2d; and the number of modules in it.
  private static func pool(_ modules: ArraySlice<any Module>) -> (Part, count: Int)? {
    var rest = modules
    let convolution = rest.first as? Conv2d
    if convolution != nil { rest = rest.dropFirst() }
    let relu = rest.first as? ReLU
    if relu != nil { rest = rest.dropFirst() }
    guard rest.count < modules.count, let pool = rest.first as? MaxPool2d else { return nil }
    return (.pool(convolution, pool, relu), modules.count - rest.count + 1)
  }

  public func visit(_ v: inout Visitor) {
    for child in children { v(child.name, child.module) }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if ActivationRecorder.isRecording { return children.reduce(x) { $1.module.call($0) } }
    return parts.reduce(x) { x, part in
      switch part {
      case .module(let module):
        return module(x)
      case .pool(let convolution, let pool, let relu):
        let y = convolution?(x, pooledBy: pool) ?? pool(x)
        return relu?(y) ?? y
      case .activated(let linear, let activation):
        return linear(x, activation: activation)
      }
    }
  }
}
