import Glibc
import System
import Tensors
import Yams

/// A value of a recipe that is not allowed: its path, and what is wrong with it.
struct RecipeProblem: Error {
  let path: [String]
  let what: String
  /// The line in the text; nil: the line of the value at `path`.
  let line: Int?

  init(_ path: [String], _ what: String, line: Int? = nil) {
    self.path = path
    self.what = what
    self.line = line
  }
}

/// Reads YAML strictly, as the tables describe it.
///
/// All functions throw a RecipeProblem that names the key, the value found, the values allowed and
/// the nearest correct spelling.
enum Reader {
  static func value(_ node: Node, _ type: ValueType, _ path: [String]) throws -> Value {
    switch type {
    case .optional(let type):
      return isNull(node) ? .null : try value(node, type, path, orNull: true)
    default:
      return try value(node, type, path, orNull: false)
    }
  }

  private static func value(
    _ node: Node, _ type: ValueType, _ path: [String], orNull: Bool
  ) throws -> Value {
    func scalar<T>(_ named: String, _ read: (Node.Scalar) -> T?) throws -> T {
      guard !isNull(node), let found = node.scalar.flatMap(read) else {
        throw RecipeProblem(path, "\(shown(node)) is not \(named)")
      }
      return found
    }
    func check(_ found: String, _ isAllowed: Bool, _ allowed: String) throws {
      if isAllowed { return }
      throw RecipeProblem(
        path, "\(found) is not allowed; it must be \(allowed)" + (orNull ? ", or null" : ""))
    }
    switch type {
    case .flag: return .flag(try scalar("true or false", Bool.construct))
    case .seed: return .seed(try scalar("a whole number from 0 on", UInt64.construct))
    case .text(let rule):
      let text = try scalar("text") { $0.string }
      try check(text, rule.allows(text), rule.description)
      return .text(text)
    case .integer(let range):
      let found = try scalar("a whole number", Int.construct)
      try check("\(found)", range.contains(found), allowed(range, found))
      return .integer(found)
    case .number(let range):
      let found = try scalar("a number", Double.construct).roundedForYAML
      try check("\(found)", range.contains(found), range.description)
      return .number(found)
    case .choice(let names):
      let found = try scalar("one of \(names.joined(separator: ", "))") { $0.string }
      try checkName(found, among: names, path)
      return .text(found)
    case .pair(let minimum):
      return .pair(try pair(node, minimum, path))
    case .list(let item, let count):
      return try list(node, of: item, count: count, path)
    case .fields(let fields):
      return .fields(try self.fields(mapping(node, path), fields, path))
    case .variant(let table): return .variant(try variant(node, table(), path))
    case .numbersByName: return try numbersByName(node, path)
    case .optional(let type): return try value(node, type, path)
    }
  }

  // MARK: - Mappings

  /// Reads the values of `fields`; a key that is not among them is an error.
  /// - Parameter tag: a key that was read already.
  static func fields(
    _ mapping: Node.Mapping, _ fields: [Field], _ path: [String], tag: String? = nil
  ) throws -> Arguments {
    let known = (tag.map { [$0] } ?? []) + fields.map(\.key)
    let unknownKeys = mapping.keys.filter { !known.contains($0.string ?? "") }
    for field in fields where field.defaultValue == nil && mapping[Node(field.key)] == nil {
      let near = Spelling.nearest(to: field.key, among: unknownKeys.compactMap(\.string))
      throw RecipeProblem(
        path + [field.key], "this key is missing" + (near.map { "; \($0) was found" } ?? ""),
        line: unknownKeys.first { $0.string == near }?.mark?.line
          ?? (path.isEmpty ? nil : mapping.mark?.line))
    }
    if let unknownKey = unknownKeys.first {
      let name = unknownKey.string ?? "?"
      throw RecipeProblem(
        path + [name], "unknown key; \(Spelling.hint(for: name, among: known))",
        line: unknownKey.mark?.line)
    }
    return Arguments(
      try fields.map { field in
        guard let node = mapping[Node(field.key)] else { return (field.key, field.defaultValue!) }
        // null for a key with a default has the same effect as no key.
        if isNull(node), let defaultValue = field.defaultValue { return (field.key, defaultValue) }
        return (field.key, try value(node, field.type, path + [field.key]))
      })
  }

  private static func variant(_ node: Node, _ table: VariantTable, _ path: [String]) throws
    -> Variant
  {
    let names = table.kinds.map(\.name)
    if table.allowsNameAlone, let name = node.scalar?.string, !isNull(node) {
      try checkName(name, among: names, path)
      let kind = table.kinds.first { $0.name == name }!
      if kind.readOptions != nil {
        return Variant(
          tag: table.tag, kind: name,
          arguments: try ownArguments(Node.Mapping([]), kind, table, path))
      }
      guard let arguments = Arguments(defaultsOf: table.fields(of: kind)) else {
        throw RecipeProblem(
          path, "\(name) needs more than its name; write \(example(kind, table))")
      }
      return Variant(tag: table.tag, kind: name, arguments: arguments)
    }
    if let kind = table.kinds.first(where: { $0.name == node.scalar?.string }) {
      throw RecipeProblem(
        path, "\(shown(node)) is not a mapping; write \(example(kind, table))")
    }
    let mapping = try mapping(node, path, orName: table.allowsNameAlone)
    let (kind, tag) = try kind(mapping, table, path)
    if kind.readOptions != nil {
      return Variant(
        tag: tag, kind: kind.name, arguments: try ownArguments(mapping, kind, table, path))
    }
    let arguments = try fields(mapping, table.fields(of: kind), path, tag: tag)
    if let mistake = kind.mistake(arguments) {
      throw RecipeProblem(path + [mistake.key], mistake.what)
    }
    return Variant(tag: tag, kind: kind.name, arguments: arguments)
  }

  /// The arguments of a kind of a program: the options that it reads, between the keys of all kinds.
  private static func ownArguments(
    _ mapping: Node.Mapping, _ kind: Kind, _ table: VariantTable, _ path: [String]
  ) throws -> Arguments {
    let shared = [table.tag] + (table.first + table.last).map(\.key)
    let options = Options(mapping, path: path)
    do {
      try kind.readOptions!(options)
    } catch let error where !(error is RecipeProblem || error is Failure) {
      throw RecipeProblem(path, "\(kind.name) cannot be made: \(error)")
    }
    if let taken = options.values.first(where: { shared.contains($0.0) })?.0 {
      throw RecipeProblem(
        path + [taken], "\(kind.name) reads an option of this name, which every \(table.name) has")
    }
    let known = shared + options.values.map(\.0)
    // The keys of all kinds are read as for any other kind; the program's own are left out there.
    let own = mapping.filter { pair in !known.contains(pair.key.string ?? "") }
    if let (key, _) = own.first {
      let name = key.string ?? "?"
      throw RecipeProblem(
        path + [name], "unknown key; \(Spelling.hint(for: name, among: known))",
        line: key.mark?.line)
    }
    func common(_ fields: [Field]) throws -> [(String, Value)] {
      try fields.map { field in
        guard let node = mapping[Node(field.key)] else {
          guard let defaultValue = field.defaultValue else {
            throw RecipeProblem(
              path + [field.key], "this key is missing", line: mapping.mark?.line)
          }
          return (field.key, defaultValue)
        }
        if isNull(node), let defaultValue = field.defaultValue { return (field.key, defaultValue) }
        return (field.key, try value(node, field.type, path + [field.key]))
      }
    }
    return Arguments(try common(table.first) + options.values + common(table.last))
  }

  /// An example of the mapping that a kind needs.
  private static func example(_ kind: Kind, _ table: VariantTable) -> String {
    let needed = table.fields(of: kind).filter { $0.defaultValue == nil }.map { "\($0.key): ..." }
    return "{" + (["\(table.tag): \(kind.name)"] + needed).joined(separator: ", ") + "}"
  }

  private static func kind(_ mapping: Node.Mapping, _ table: VariantTable, _ path: [String]) throws
    -> (Kind, tag: String?)
  {
    guard let node = mapping[Node(table.tag)] else {
      let unknownKeys = mapping.keys.compactMap(\.string)
      let near = Spelling.nearest(
        to: table.tag,
        among: unknownKeys.filter { name in
          !table.fields(of: table.untagged ?? Kind("", "")).contains { $0.key == name }
        })
      if let untagged = table.untagged, near == nil { return (untagged, nil) }
      throw RecipeProblem(
        path + [table.tag], "this key is missing" + (near.map { "; \($0) was found" } ?? ""),
        line: path.isEmpty ? nil : mapping.mark?.line)
    }
    let names = table.kinds.map(\.name)
    guard case .text(let name) = try value(node, .choice(names), path + [table.tag]) else {
      fatalError("a choice is a text")
    }
    return (table.kinds.first { $0.name == name }!, table.tag)
  }

  private static func numbersByName(_ node: Node, _ path: [String]) throws -> Value {
    // The order of a mapping has no meaning: sorted, so that equal recipes have equal YAML.
    let pairs = try mapping(node, path).sorted { ($0.key.string ?? "") < ($1.key.string ?? "") }
    return .fields(
      Arguments(
        try pairs.map { key, node in
          let name = key.string ?? "?"
          return (
            name,
            node.sequence == nil
              ? try value(node, .anyNumber, path + [name])
              : try list(node, of: .anyNumber, count: nil, path + [name])
          )
        }))
  }

  private static func mapping(_ node: Node, _ path: [String], orName: Bool = false) throws
    -> Node.Mapping
  {
    guard let mapping = node.mapping else {
      throw RecipeProblem(path, "\(shown(node)) is not \(orName ? "a name or " : "")a mapping")
    }
    return mapping
  }

  // MARK: - Lists

  private static func list(_ node: Node, of item: ValueType, count: Int?, _ path: [String]) throws
    -> Value
  {
    guard let sequence = node.sequence else {
      throw RecipeProblem(path, "\(shown(node)) is not a list")
    }
    guard !sequence.isEmpty else {
      throw RecipeProblem(path, "an empty list is not allowed; it must have one item at least")
    }
    func all(_ type: ValueType) throws -> [Value] {
      try sequence.enumerated().map { try value($1, type, path + [String($0)]) }
    }
    // A few numbers that belong together are reported together.
    guard let count, case .number(let range) = item else {
      let values = try all(item)
      if let count, values.count != count {
        throw RecipeProblem(
          path, "\(values.count) items are not allowed; it must be \(count)")
      }
      return .list(values)
    }
    let values = try all(.anyDouble)
    let numbers = values.map { if case .number(let number) = $0 { number } else { Double.nan } }
    guard numbers.count == count, numbers.allSatisfy(range.contains) else {
      throw RecipeProblem(
        path,
        "\(numbers) is not allowed; it must be \(count == 2 ? "two" : "\(count)") numbers"
          + (range.minimum == nil && range.maximum == nil ? "" : " \(range.description)"))
    }
    return .list(values)
  }

  private static func pair(_ node: Node, _ minimum: Int, _ path: [String]) throws -> HeightWidth {
    func extent(_ node: Node, _ path: [String]) throws -> Int {
      let type = ValueType.integer(minimum...ValueType.maximumCount)
      guard case .integer(let value) = try value(node, type, path) else {
        fatalError("a whole number is one")
      }
      return value
    }
    guard let sequence = node.sequence else {
      guard node.mapping == nil else {
        throw RecipeProblem(path, "a mapping is not a whole number or [height, width]")
      }
      return HeightWidth(try extent(node, path))
    }
    guard sequence.count == 2 else {
      throw RecipeProblem(
        path, "a list of \(sequence.count) is not a whole number or [height, width]")
    }
    return HeightWidth(
      try extent(sequence[0], path + ["0"]), try extent(sequence[1], path + ["1"]))
  }

  // MARK: - Texts of messages

  static func checkName(_ name: String, among names: [String], _ path: [String]) throws {
    if names.contains(name) { return }
    throw RecipeProblem(
      path,
      "\(name) is not one of \(names.joined(separator: ", "))"
        + (Spelling.nearest(to: name, among: names).map { "; did you mean \($0)?" } ?? ""))
  }

  private static func allowed(_ range: ClosedRange<Int>, _ found: Int) -> String {
    switch (range.lowerBound, range.upperBound) {
    case (let minimum, ValueType.maximumCount)
    where found < minimum && minimum > -ValueType.maximumCount:
      "\(minimum) or more"
    case (let minimum, let maximum): "\(minimum) to \(maximum)"
    }
  }

  static func shown(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar):
      scalar.string.isEmpty
        ? "nothing" : "'\(scalar.string.prefix(80))\(scalar.string.count > 80 ? "…" : "")'"
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }

  static func isNull(_ node: Node) -> Bool { node.scalar != nil && node.null != nil }
}

extension ValueType {
  /// Numbers whose range is checked later, infinite ones included.
  fileprivate static let anyDouble = ValueType.number(
    NumberRange(allowsInfinity: true))
}

extension Double {
  /// The nearest number with 15 significant digits, which is what a recipe's YAML can hold: the
  /// recipe that is written equals the recipe that was read.
  var roundedForYAML: Double {
    guard isFinite, self != 0 else { return self }
    var text = [CChar](repeating: 0, count: 40)
    withVaList([self]) { _ = vsnprintf(&text, text.count, "%.15g", $0) }
    return strtod(text, nil)
  }
}
