import System
import Tensors

/// A list of modules whose parameters belong to the network. Modules in a plain array belong to it
/// only if `visit` names them.
public final class ModuleList: Module, Sequence {
  public private(set) var modules: [any Module]

  public init(_ modules: [any Module] = []) { self.modules = modules }

  public func append(_ module: any Module) { modules.append(module) }

  public var count: Int { modules.count }
  public subscript(index: Int) -> any Module {
    require(
      index >= -count && index < count, "ModuleList: no module \(index) in a list of \(count)")
    return modules[index < 0 ? index + count : index]
  }
  public func makeIterator() -> IndexingIterator<[any Module]> { modules.makeIterator() }

  public func visit(_ v: inout Visitor) {
    for (index, module) in modules.enumerated() { v(String(index), module) }
  }

  /// - Precondition: always fails, because a list does not define how its modules are called.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    fatalError("ModuleList: a list cannot be called; call its modules, or use Sequential")
  }

  public var printsRepeatsTogether: Bool { true }
}
