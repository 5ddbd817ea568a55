import Autograd
import Tensors

/// A part of a network: parameters, child modules, and a forward computation.
public protocol Module: AnyObject {
  /// Names the parameters and children, in declaration order. Names, counts, summaries, checkpoint
  /// keys and the order in memory are all derived from it.
  func visit(_ v: inout Visitor)

  /// Computes the module's output for one input.
  func callAsFunction(_ x: Tensor) -> Tensor

  /// Computes the network's outputs for a batch's inputs. The default implementation takes a single
  /// input; a network with several inputs conforms to `MultiInputModule`.
  func callAsFunction(_ inputs: NamedTensors) -> NamedTensors

  /// The class's name as PyTorch prints it, such as "Linear".
  var typeName: String { get }

  /// The text that PyTorch prints between the parentheses, such as "in_features=784,
  /// out_features=10".
  var extraDescription: String { get }

  /// Whether `summary` prints equal adjacent children as one line, such as "(0-2): 3 x ...".
  var printsRepeatsTogether: Bool { get }

  /// Whether PyTorch has a function call in `forward` instead of this module. `summary` then leaves
  /// it out.
  var isFunction: Bool { get }

  /// Sets the mode of this module alone; `train` also sets that of the modules below it.
  func setMode(isTraining: Bool)
}

extension Module {
  public func callAsFunction(_ inputs: NamedTensors) -> NamedTensors {
    NamedTensors(self(inputs.only))
  }
  public func visit(_ v: inout Visitor) {}
  public var typeName: String { String(describing: type(of: self)) }
  public var extraDescription: String { "" }
  public var printsRepeatsTogether: Bool { false }
  public var isFunction: Bool { false }
  public func setMode(isTraining: Bool) {}
}

/// A network with several named inputs or outputs.
public protocol MultiInputModule: Module {
  /// Computes the network's outputs for a batch's inputs, which have the data set's names.
  func forward(_ inputs: NamedTensors) -> NamedTensors
}

extension MultiInputModule {
  public func callAsFunction(_ inputs: NamedTensors) -> NamedTensors { forward(inputs) }
  public func callAsFunction(_ x: Tensor) -> Tensor { forward(NamedTensors(x, name: "x")).only }
}

/// Collects the parameters, buffers and children that a module names in `visit`.
public struct Visitor {
  package private(set) var parameters: [(name: String, tensor: Tensor, initializer: Initializer)] =
    []
  package private(set) var buffers: [(name: String, tensor: Tensor)] = []
  package private(set) var children: [(name: String, module: any Module)] = []

  package init(_ module: any Module) { module.visit(&self) }

  /// Adds a parameter with its initializer.
  public mutating func callAsFunction(
    _ name: String, _ parameter: Tensor, _ initializer: Initializer
  ) {
    parameters.append((name, parameter, initializer))
  }

  /// Adds a tensor that is part of the module's state but is not trained, such as a running mean.
  public mutating func buffer(_ name: String, _ buffer: Tensor) { buffers.append((name, buffer)) }

  /// Adds a child module.
  public mutating func callAsFunction(_ name: String, _ child: any Module) {
    children.append((name, child))
  }
}

/// A parameter with its full name, such as "linear_relu_stack.0.weight".
public struct NamedParameter {
  public let name: String
  public let tensor: Tensor
  public let initializer: Initializer
}

extension Module {
  /// All parameters in the order of PyTorch's `state_dict()`: a module's own, then those of its
  /// children.
  public var namedParameters: [NamedParameter] { namedParameters(prefix: "") }

  private func namedParameters(prefix: String) -> [NamedParameter] {
    let visitor = Visitor(self)
    var all = visitor.parameters.map {
      NamedParameter(name: prefix + $0.name, tensor: $0.tensor, initializer: $0.initializer)
    }
    for child in visitor.children {
      all += child.module.namedParameters(prefix: prefix + child.name + ".")
    }
    return all
  }

  public var parameterCount: Int { namedParameters.reduce(0) { $0 + $1.tensor.elementCount } }

  /// Sets every parameter's initial values, which depend only on (seed, name, index).
  public func initialize(seed: UInt64) {
    for parameter in namedParameters {
      parameter.tensor.initialize(parameter.initializer, seed: seed, name: parameter.name)
    }
    nameRandomLayers(seed: seed)
  }

  /// Gives each random layer its own stream of random numbers, for forward passes without a
  /// trainer.
  package func nameRandomLayers(seed: UInt64) {
    forEachModule { name, module in
      (module as? any RandomLayer)?.random.setName(name, seed: seed)
    }
  }

  /// Sets the first values of a new layer's parameters. They do not depend on the layer's name, so
  /// layers of the same type, shape and seed get equal values; `initialize(seed:)` then gives each
  /// its own.
  func fillParameters(seed: UInt64) {
    for (name, tensor, initializer) in Visitor(self).parameters {
      tensor.initialize(initializer, seed: seed, name: "of \(typeName): \(name)")
    }
  }
}
