import Autograd
import Tensors

extension Module {
  /// Calls `body` for this module with the name "", then for all modules below it with their full
  /// names, in `visit`'s order.
  public func forEachModule(_ body: (_ name: String, _ module: any Module) -> Void) {
    forEachModule(name: "", body)
  }

  private func forEachModule(name: String, _ body: (String, any Module) -> Void) {
    body(name, self)
    for child in Visitor(self).children {
      child.module.forEachModule(name: name.isEmpty ? child.name : "\(name).\(child.name)", body)
    }
  }

  /// All buffers with their full names, in `visit`'s order.
  public var namedBuffers: [(name: String, tensor: Tensor)] {
    namedState.filter { entry in !entry.isParameter }.map { ($0.name, $0.tensor) }
  }

  /// Parameters and buffers with their full names, in the order of PyTorch's `state_dict()`: a
  /// module's own parameters, its own buffers, then those of its children.
  public var namedState: [(name: String, tensor: Tensor, isParameter: Bool)] {
    var all: [(name: String, tensor: Tensor, isParameter: Bool)] = []
    forEachModule { name, module in
      let (visitor, prefix) = (Visitor(module), name.isEmpty ? "" : name + ".")
      all += visitor.parameters.map { (prefix + $0.name, $0.tensor, true) }
      all += visitor.buffers.map { (prefix + $0.name, $0.tensor, false) }
    }
    return all
  }

  /// All parameters, in `visit`'s order.
  public var parameters: [Tensor] { namedParameters.map(\.tensor) }

  /// The number of elements in all parameters that are not frozen.
  public var trainableParameterCount: Int {
    parameters.filter(\.requiresGrad).reduce(0) { $0 + $1.elementCount }
  }

  /// Clears every parameter's gradient.
  public func zeroGrad() { for parameter in parameters { parameter.zeroGrad() } }

  /// Sets this module and all modules below it to training mode, which is the initial mode; or,
  /// with false, to evaluation mode. In evaluation mode, dropout returns its input and batch norm
  /// uses its running statistics.
  @discardableResult public func train(_ isTraining: Bool = true) -> Self {
    forEachModule { _, module in module.setMode(isTraining: isTraining) }
    return self
  }

  /// Sets this module and all modules below it to evaluation mode.
  @discardableResult public func eval() -> Self { train(false) }
}

/// A new parameter: a leaf that requires a gradient.
func newParameter(_ shape: Shape) -> Tensor {
  let parameter = Tensor(zeros: shape)
  parameter.requiresGrad = true
  return parameter
}
