import Autograd
import Tensors

/// A piece of a network: parameters, other modules, and what it computes from them.
public protocol Module: AnyObject {
  /// Names the parameters and children, in declaration order. Names, counts, summaries, checkpoint
  /// keys and the order in memory all come from this one walk.
  func visit(_ v: inout Visitor)

  /// What the module computes of one input.
  func callAsFunction(_ x: Tensor) -> Tensor

  /// What the network computes of a batch's inputs. The default calls it with the only input;
  /// `MultiInputModule` is for several.
  func callAsFunction(_ inputs: NamedTensors) -> NamedTensors

  /// The class's name as PyTorch prints it, such as "Linear".
  var typeName: String { get }

  /// What PyTorch prints between the parentheses, such as "in_features=784, out_features=10".
  var extraDescription: String { get }

  /// Whether `summary` takes equal neighbours among the children together, as "(0-2): 3 x ...".
  var printsRepeatsTogether: Bool { get }

  /// Whether PyTorch has no module here but a call in a forward method, which `summary` leaves out.
  var isFunction: Bool { get }

  /// Takes note whether the module trains from now on, for itself; `train` tells the children.
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

/// A network with several inputs or outputs, under names.
public protocol MultiInputModule: Module {
  /// What the network computes of a batch's inputs, which have the data set's names.
  func forward(_ inputs: NamedTensors) -> NamedTensors
}

extension MultiInputModule {
  public func callAsFunction(_ inputs: NamedTensors) -> NamedTensors { forward(inputs) }
  public func callAsFunction(_ x: Tensor) -> Tensor { forward(NamedTensors(x, name: "x")).only }
}

/// Collects what a module names in `visit`.
public struct Visitor {
  package private(set) var parameters: [(name: String, tensor: Tensor, initializer: Initializer)] =
    []
  package private(set) var buffers: [(name: String, tensor: Tensor)] = []
  package private(set) var children: [(name: String, module: any Module)] = []

  package init(_ module: any Module) { module.visit(&self) }

  /// A parameter, and how it gets its initial values.
  public mutating func callAsFunction(
    _ name: String, _ parameter: Tensor, _ initializer: Initializer
  ) {
    parameters.append((name, parameter, initializer))
  }

  /// A tensor that belongs to the module's state but is not trained, such as a running mean.
  public mutating func buffer(_ name: String, _ buffer: Tensor) { buffers.append((name, buffer)) }

  /// A child.
  public mutating func callAsFunction(_ name: String, _ child: any Module) {
    children.append((name, child))
  }
}

/// A parameter under its full name, such as "linear_relu_stack.0.weight".
public struct NamedParameter {
  public let name: String
  public let tensor: Tensor
  public let initializer: Initializer
}

extension Module {
  /// All parameters: a module's own, then its children's, as PyTorch's `state_dict()` lists them.
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

  /// Gives every parameter its initial values: a function of (seed, its name, the index) alone.
  public func initialize(seed: UInt64) {
    for parameter in namedParameters {
      parameter.tensor.initialize(parameter.initializer, seed: seed, name: parameter.name)
    }
    nameRandomLayers(seed: seed)
  }

  /// Tells the random layers apart, for forward passes that no trainer gives a key.
  package func nameRandomLayers(seed: UInt64) {
    forEachModule { name, module in
      (module as? any RandomLayer)?.random.setName(name, seed: seed)
    }
  }

  /// Gives the parameters of a layer that was just made their first values, the same whatever the
  /// layer is later called; `initialize(seed:)` tells equal layers apart.
  func fillParameters(seed: UInt64) {
    for (name, tensor, initializer) in Visitor(self).parameters {
      tensor.initialize(initializer, seed: seed, name: "of \(typeName): \(name)")
    }
  }
}
