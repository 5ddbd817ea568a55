import System
import Tensors

/// A value of a recipe, as its table says it is.
public indirect enum Value: Equatable, Sendable {
  case null
  case flag(Bool)
  case whole(Int)
  case seed(UInt64)
  case number(Double)
  case text(String)
  /// One whole number for both axes, or [height, width].
  case pair(HeightWidth)
  case list([Value])
  case fields(Arguments)
  case variant(Variant)
}

/// One of several kinds of a thing (a layer, a loss, an optimizer, a data set) with its arguments.
public struct Variant: Equatable, Sendable {
  /// The key that says the kind, such as "layer"; nil: the kind that goes without saying.
  public let tag: String?
  /// Such as "Linear".
  public let kind: String
  public var arguments: Arguments

  package init(tag: String?, kind: String, arguments: Arguments) {
    self.tag = tag
    self.kind = kind
    self.arguments = arguments
  }
}

/// Values under their keys, all that the table has, in its order.
public struct Arguments: Equatable, Sendable {
  package struct Entry: Equatable, Sendable {
    package let key: String
    package var value: Value
  }

  package private(set) var entries: [Entry] = []

  package init() {}
  package init(_ pairs: [(String, Value)]) { entries = pairs.map { Entry(key: $0, value: $1) } }

  /// The value at `key`.
  /// - Precondition: the table has the key.
  package subscript(key: String) -> Value {
    get { entries[index(of: key)].value }
    set { entries[index(of: key)].value = newValue }
  }

  /// Whether the table has the key.
  public func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

  private func index(of key: String) -> Int {
    let index = entries.firstIndex { $0.key == key }
    require(index != nil, "a recipe's table has no \(key) among \(entries.map(\.key))")
    return index!
  }
}

/// The values of each type. All require that the table has the key, with that type.
extension Arguments {
  public func whole(_ key: String) -> Int { typed(key, optionalWhole(key)) }
  public func optionalWhole(_ key: String) -> Int? {
    optional(key) { if case .whole(let value) = $0 { value } else { nil } }
  }

  public func seed(_ key: String) -> UInt64 {
    if case .seed(let value) = self[key] { value } else { wrong(key) }
  }

  public func number(_ key: String) -> Double { typed(key, optionalNumber(key)) }
  public func optionalNumber(_ key: String) -> Double? {
    optional(key) { if case .number(let value) = $0 { value } else { nil } }
  }

  public func flag(_ key: String) -> Bool {
    if case .flag(let value) = self[key] { value } else { wrong(key) }
  }

  /// A text, or the name of a choice.
  public func text(_ key: String) -> String { typed(key, optionalText(key)) }
  public func optionalText(_ key: String) -> String? {
    optional(key) { if case .text(let value) = $0 { value } else { nil } }
  }

  public func pair(_ key: String) -> HeightWidth { typed(key, optionalPair(key)) }
  public func optionalPair(_ key: String) -> HeightWidth? {
    optional(key) { if case .pair(let value) = $0 { value } else { nil } }
  }

  public func numbers(_ key: String) -> [Double] {
    list(key).map { if case .number(let value) = $0 { value } else { wrong(key) } }
  }

  public func wholes(_ key: String) -> [Int] { typed(key, optionalWholes(key)) }
  public func optionalWholes(_ key: String) -> [Int]? {
    self[key] == .null
      ? nil : list(key).map { if case .whole(let value) = $0 { value } else { wrong(key) } }
  }

  public func optionalTexts(_ key: String) -> [String]? {
    self[key] == .null
      ? nil : list(key).map { if case .text(let value) = $0 { value } else { wrong(key) } }
  }

  public func variant(_ key: String) -> Variant {
    if case .variant(let value) = self[key] { value } else { wrong(key) }
  }

  public func variants(_ key: String) -> [Variant] {
    list(key).map { if case .variant(let value) = $0 { value } else { wrong(key) } }
  }

  public func fields(_ key: String) -> Arguments { typed(key, optionalFields(key)) }
  public func optionalFields(_ key: String) -> Arguments? {
    optional(key) { if case .fields(let value) = $0 { value } else { nil } }
  }

  private func list(_ key: String) -> [Value] {
    if case .list(let values) = self[key] { values } else { wrong(key) }
  }

  /// nil where it is null.
  private func optional<T>(_ key: String, _ unwrapped: (Value) -> T?) -> T? {
    let value = self[key]
    if value == .null { return nil }
    return typed(key, unwrapped(value))
  }

  private func typed<T>(_ key: String, _ value: T?) -> T {
    if let value { return value } else { wrong(key) }
  }

  private func wrong(_ key: String) -> Never {
    fatalError("a recipe's \(key) is \(self[key]), not what its table says")
  }
}
