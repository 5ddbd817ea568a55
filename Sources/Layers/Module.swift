import Autograd
import TensorCore

/// A piece of a network: parameters, other modules, and what it computes from them.
public protocol Module: AnyObject {
  /// Names the parameters and children, in declaration order. Names, counts, summaries, checkpoint
  /// keys and the order in memory all come from this one walk.
  func visit(_ v: inout Visitor)

  func callAsFunction(_ x: Tensor) -> Tensor

  /// The class's name as PyTorch prints it, such as "Linear".
  var typeName: String { get }

  /// What PyTorch prints between the parentheses, such as "in_features=784, out_features=10".
  var extraDescription: String { get }
}

extension Module {
  public func visit(_ v: inout Visitor) {}
  public var typeName: String { String(describing: type(of: self)) }
  public var extraDescription: String { "" }
}

/// Collects what a module names in `visit`.
public struct Visitor {
  package private(set) var parameters: [(name: String, tensor: Tensor, initializer: Initializer)] =
    []
  package private(set) var children: [(name: String, module: any Module)] = []

  package init(_ module: any Module) { module.visit(&self) }

  /// A parameter, and how it gets its initial values.
  public mutating func callAsFunction(
    _ name: String, _ parameter: Tensor, _ initializer: Initializer
  ) {
    parameters.append((name, parameter, initializer))
  }

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
      parameter.initializer.fill(
        parameter.tensor, CountedRandom(seed: seed, purpose: "parameter " + parameter.name))
    }
  }

  /// The module as PyTorch prints it.
  public var summary: String {
    let children = Visitor(self).children
    guard !children.isEmpty else { return "\(typeName)(\(extraDescription))" }
    var lines = ["\(typeName)("]
    for child in children {
      let inner = child.module.summary.split(separator: "\n", omittingEmptySubsequences: false)
      lines.append("  (\(child.name)): \(inner[0])")
      lines += inner.dropFirst().map { "  \($0)" }
    }
    return (lines + [")"]).joined(separator: "\n")
  }
}
