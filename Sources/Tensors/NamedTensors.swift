import System

/// Tensors under names, in a fixed order: the inputs of a batch, its targets, or a network's outputs.
///
///     let outputs: NamedTensors = ["score": score, "kind": kind]
///     outputs["kind"]
public struct NamedTensors {
  // The usual case, one tensor, allocates nothing.
  private let firstName: String
  private let firstTensor: Tensor
  private let rest: [(name: String, tensor: Tensor)]

  /// One tensor.
  public init(_ tensor: Tensor, name: String = "output") {
    (firstName, firstTensor, rest) = (name, tensor, [])
  }

  /// - Precondition: at least one; no name twice.
  public init(_ tensors: [(name: String, tensor: Tensor)]) {
    require(!tensors.isEmpty, "NamedTensors needs at least one tensor")
    require(
      Set(tensors.map(\.name)).count == tensors.count,
      "NamedTensors has a name twice: \(tensors.map(\.name))")
    (firstName, firstTensor) = tensors[0]
    rest = Array(tensors.dropFirst())
  }

  public var count: Int { 1 + rest.count }
  public var names: [String] { [firstName] + rest.map(\.name) }
  /// All in their order.
  public var all: [(name: String, tensor: Tensor)] { [(firstName, firstTensor)] + rest }
  public var first: Tensor { firstTensor }

  /// The one tensor there is.
  /// - Precondition: there is one.
  public var only: Tensor {
    require(rest.isEmpty, "one tensor is expected, and there are \(count): \(names)")
    return firstTensor
  }

  /// The tensor of that name.
  /// - Precondition: there is one.
  public subscript(name: String) -> Tensor {
    if name == firstName { return firstTensor }
    guard let found = rest.first(where: { $0.name == name })?.tensor else {
      fatalError("there is no tensor named \(name); there are \(names)")
    }
    return found
  }

  /// The same names with other tensors.
  public func map(_ transform: (Tensor) throws -> Tensor) rethrows -> NamedTensors {
    if rest.isEmpty { return NamedTensors(try transform(firstTensor), name: firstName) }
    return NamedTensors(try all.map { ($0.name, try transform($0.tensor)) })
  }

  /// Rows `range` of each tensor, as views.
  /// - Precondition: each has that many rows.
  public func rows(_ range: Range<Int>) -> NamedTensors { map { $0.rows(range) } }
}

extension NamedTensors: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, Tensor)...) {
    self.init(elements.map { (name: $0.0, tensor: $0.1) })
  }
}
