import Autograd
import Tensors

extension Module {
  /// This module under the name "", then all below it, by full name, in `visit`'s order.
  public func forEachModule(_ body: (_ name: String, _ module: any Module) -> Void) {
    forEachModule(name: "", body)
  }

  private func forEachModule(name: String, _ body: (String, any Module) -> Void) {
    body(name, self)
    for child in Visitor(self).children {
      child.module.forEachModule(name: name.isEmpty ? child.name : "\(name).\(child.name)", body)
    }
  }

  /// All buffers, by full name, in `visit`'s order.
  public var namedBuffers: [(name: String, tensor: Tensor)] {
    namedState.filter { entry in !entry.isParameter }.map { ($0.name, $0.tensor) }
  }

  /// Parameters and buffers by full name, as PyTorch's `state_dict()` lists them: a module's own
  /// parameters, its own buffers, then its children's.
  public var namedState: [(name: String, tensor: Tensor, isParameter: Bool)] {
    var all: [(name: String, tensor: Tensor, isParameter: Bool)] = []
    forEachModule { name, module in
      let (visitor, prefix) = (Visitor(module), name.isEmpty ? "" : name + ".")
      all += visitor.parameters.map { (prefix + $0.name, $0.tensor, true) }
      all += visitor.buffers.map { (prefix + $0.name, $0.tensor, false) }
    }
    return all
  }

  /// All parameters, as an optimizer takes them.
  public var parameters: [Tensor] { namedParameters.map(\.tensor) }

  /// The elements of the parameters that are not frozen.
  public var trainableParameterCount: Int {
    parameters.filter(\.requiresGrad).reduce(0) { $0 + $1.elementCount }
  }

  /// Forgets every parameter's gradient.
  public func zeroGrad() { for parameter in parameters { parameter.zeroGrad() } }

  /// Puts this module and all below it into training mode (the mode they are made in) or, with false,
  /// evaluation mode, in which dropout lets everything pass and batch norm uses what it remembers.
  @discardableResult public func train(_ isTraining: Bool = true) -> Self {
    forEachModule { _, module in module.setMode(isTraining: isTraining) }
    return self
  }

  /// Puts this module and all below it into evaluation mode.
  @discardableResult public func eval() -> Self { train(false) }
}

/// A new parameter: a leaf that requires a gradient.
func newParameter(_ shape: Shape) -> Tensor {
  let parameter = Tensor(zeros: shape)
  parameter.requiresGrad = true
  return parameter
}
