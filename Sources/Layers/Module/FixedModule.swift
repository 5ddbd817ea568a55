import System

/// A module that makes the same of the same input forever: no parameters, no state, no mode and no
/// chance. Of a batch that stays the same, what such modules in front of a network make of it does, too.
public protocol FixedModule: Module {}

extension Divide: FixedModule {}
extension Flatten: FixedModule {}
extension Unflatten: FixedModule {}
extension View: FixedModule {}

extension Module {
  /// The network as two whose modules are its own and which, one after the other, compute what it does:
  /// the fixed modules it begins with, and the rest, which is the network itself where it begins with
  /// another.
  public var fixedFrontAndRest: (front: Sequential, rest: any Module) {
    let children = (self as? Sequential)?.children ?? []
    let count = children.prefix { $0.module is any FixedModule }.count
    return (
      Sequential(named: Array(children[..<count])),
      count == 0 ? self : Sequential(named: Array(children[count...]))
    )
  }
}
