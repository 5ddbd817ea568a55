import Layers
import System
import Yams

/// The options of a user-defined network, loss or data set in a recipe:
///
///     models: ["Net": { options in
///       Net(
///         width: try options.int("width", default: 64, in: 1...4096),
///         bias: try options.bool("bias", default: true))
///     }]
///
/// Each option that is read becomes a valid key of the recipe. Any other key is an error, which
/// suggests the nearest spelling. An option without a default value is required.
public final class Options {
  /// The source of the values.
  private enum Source {
    case yaml(Node.Mapping, path: [String])
    case arguments(Arguments)
  }

  private let source: Source
  /// The options that were read, in order.
  private(set) var values: [(String, Value)] = []

  init(_ mapping: Node.Mapping, path: [String]) { source = .yaml(mapping, path: path) }

  init(_ arguments: Arguments) { source = .arguments(arguments) }

  /// Reads a whole number.
  /// - Throws: an error about the recipe if the value is not a whole number or is outside `range`.
  public func int(
    _ key: String, default defaultValue: Int? = nil,
    in range: ClosedRange<Int> = -2_147_483_647...2_147_483_647
  ) throws -> Int {
    let value = try value(key, .integer(range), defaultValue.map { .integer($0) })
    guard case .integer(let found) = value else { throw typeMismatch(key) }
    return found
  }

  /// Reads a number.
  public func double(
    _ key: String, default defaultValue: Double? = nil, minimum: Double? = nil,
    maximum: Double? = nil
  ) throws -> Double {
    let type = ValueType.number(NumberRange(minimum: minimum, maximum: maximum))
    guard case .number(let found) = try value(key, type, defaultValue.map { .number($0) }) else {
      throw typeMismatch(key)
    }
    return found
  }

  public func bool(_ key: String, default defaultValue: Bool? = nil) throws -> Bool {
    guard case .flag(let found) = try value(key, .flag, defaultValue.map { .flag($0) }) else {
      throw typeMismatch(key)
    }
    return found
  }

  /// Reads a string.
  /// - Parameter choices: the allowed strings; nil: all.
  public func string(
    _ key: String, default defaultValue: String? = nil, choices: [String]? = nil
  ) throws -> String {
    let type = choices.map { ValueType.choice($0) } ?? .anyText
    guard case .text(let found) = try value(key, type, defaultValue.map { .text($0) }) else {
      throw typeMismatch(key)
    }
    return found
  }

  /// Reads a list of at least one whole number.
  public func ints(
    _ key: String, default defaultValue: [Int]? = nil,
    in range: ClosedRange<Int> = -2_147_483_647...2_147_483_647
  ) throws -> [Int] {
    let type = ValueType.list(.integer(range), count: nil)
    let value = try value(key, type, defaultValue.map { .list($0.map { .integer($0) }) })
    guard case .list(let items) = value else { throw typeMismatch(key) }
    return try items.map {
      guard case .integer(let item) = $0 else { throw typeMismatch(key) }
      return item
    }
  }

  private func value(_ key: String, _ type: ValueType, _ defaultValue: Value?) throws -> Value {
    if let known = values.first(where: { $0.0 == key })?.1 { return known }
    let value = try read(key, type, defaultValue)
    values.append((key, value))
    return value
  }

  private func read(_ key: String, _ type: ValueType, _ defaultValue: Value?) throws -> Value {
    switch source {
    case .arguments(let arguments):
      guard arguments.has(key) else {
        throw RecipeProblem([key], "this option was not read when the recipe was")
      }
      return arguments[key]
    case .yaml(let mapping, let path):
      guard let node = mapping[Node(key)], !(Reader.isNull(node) && defaultValue != nil) else {
        if let defaultValue { return defaultValue }
        let near = Spelling.nearest(to: key, among: mapping.keys.compactMap(\.string))
        throw RecipeProblem(
          path + [key], "this key is missing" + (near.map { "; \($0) was found" } ?? ""),
          line: mapping.mark?.line)
      }
      return try Reader.value(node, type, path + [key])
    }
  }

  private func typeMismatch(_ key: String) -> RecipeProblem {
    RecipeProblem([key], "the option was read with another type before")
  }
}
