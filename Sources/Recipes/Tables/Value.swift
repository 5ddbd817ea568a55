import System
import Tensors

/// A value of a recipe, of the type that its table gives.
package indirect enum Value: Equatable, Sendable {
  case null
  case flag(Bool)
  case integer(Int)
  case seed(UInt64)
  case number(Double)
  case text(String)
  /// One integer for both axes, or [height, width].
  case pair(HeightWidth)
  case list([Value])
  case fields(Arguments)
  case variant(Variant)
}

/// A kind (of layer, loss, optimizer or data set) with its arguments.
package struct Variant: Equatable, Sendable {
  /// The key that holds the name of the kind, such as "layer"; nil: the kind without a tag.
  package let tag: String?
  /// The name of the kind, such as "Linear".
  package let kind: String
  package var arguments: Arguments

  package init(tag: String?, kind: String, arguments: Arguments) {
    self.tag = tag
    self.kind = kind
    self.arguments = arguments
  }
}

/// The values of all keys of a table, in its order.
package struct Arguments: Equatable, Sendable {
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
  package func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

  private func index(of key: String) -> Int {
    let index = entries.firstIndex { $0.key == key }
    require(index != nil, "a recipe's table has no \(key) among \(entries.map(\.key))")
    return index!
  }
}

/// The values by type.
/// - Precondition: the table has the key, with that type.
extension Arguments {
  package func integer(_ key: String) -> Int { typed(key, optionalInteger(key)) }
  package func optionalInteger(_ key: String) -> Int? {
    optional(key) { if case .integer(let value) = $0 { value } else { nil } }
  }

  package func seed(_ key: String) -> UInt64 {
    if case .seed(let value) = self[key] { value } else { wrong(key) }
  }

  package func number(_ key: String) -> Double { typed(key, optionalNumber(key)) }
  package func optionalNumber(_ key: String) -> Double? {
    optional(key) { if case .number(let value) = $0 { value } else { nil } }
  }

  package func flag(_ key: String) -> Bool {
    if case .flag(let value) = self[key] { value } else { wrong(key) }
  }

  /// A text, or the name that was chosen.
  package func text(_ key: String) -> String { typed(key, optionalText(key)) }
  package func optionalText(_ key: String) -> String? {
    optional(key) { if case .text(let value) = $0 { value } else { nil } }
  }

  package func pair(_ key: String) -> HeightWidth { typed(key, optionalPair(key)) }
  package func optionalPair(_ key: String) -> HeightWidth? {
    optional(key) { if case .pair(let value) = $0 { value } else { nil } }
  }

  package func numbers(_ key: String) -> [Double] {
    list(key).map { if case .number(let value) = $0 { value } else { wrong(key) } }
  }

  package func integers(_ key: String) -> [Int] { typed(key, optionalIntegers(key)) }
  package func optionalIntegers(_ key: String) -> [Int]? {
    self[key] == .null
      ? nil : list(key).map { if case .integer(let value) = $0 { value } else { wrong(key) } }
  }

  package func optionalTexts(_ key: String) -> [String]? {
    self[key] == .null
      ? nil : list(key).map { if case .text(let value) = $0 { value } else { wrong(key) } }
  }

  package func variant(_ key: String) -> Variant {
    if case .variant(let value) = self[key] { value } else { wrong(key) }
  }

  package func variants(_ key: String) -> [Variant] {
    list(key).map { if case .variant(let value) = $0 { value } else { wrong(key) } }
  }

  package func fields(_ key: String) -> Arguments { typed(key, optionalFields(key)) }
  package func optionalFields(_ key: String) -> Arguments? {
    optional(key) { if case .fields(let value) = $0 { value } else { nil } }
  }

  private func list(_ key: String) -> [Value] {
    if case .list(let values) = self[key] { values } else { wrong(key) }
  }

  /// The value at `key` as `unwrapped` gives it; nil where it is null.
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
