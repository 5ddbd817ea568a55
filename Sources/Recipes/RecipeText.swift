import TensorCore
import Yams

/// A recipe as YAML: read strictly, with the line of what is wrong; written in full.
public struct RecipeText {
  private var root: Node
  /// The file's name, or the built-in recipe's.
  private let source: String

  /// - Throws: `Failure(.usage)`: not YAML, or a key twice, with the line.
  public init(_ yaml: String, source: String) throws {
    self.source = source
    do {
      guard let node = try Yams.compose(yaml: yaml), node.mapping != nil else {
        throw Failure(.usage, "\(source): a recipe is a mapping of keys to values")
      }
      root = node
    } catch let error as YamlError {
      throw Failure(.usage, RecipeText.explanation(error, source))
    }
  }

  /// Sets the value at a dotted path, such as "optimizer.lr" or "model.layers.1.out_features", from
  /// YAML text.
  public mutating func set(_ path: String, to text: String) throws {
    let value: Node
    do {
      value = try Yams.compose(yaml: text) ?? Node("null", .implicit, .plain)
    } catch {
      throw Failure(.usage, "--set \(path): \(text) is not a YAML value")
    }
    root = try RecipeText.setting(
      path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)[...],
      in: root, defaults: defaults, to: RecipeText.unmarked(value), path: path)
  }

  /// Sets the value at a dotted path to a text as it stands, whatever YAML would make of it.
  public mutating func set(_ path: String, toText text: String) throws {
    root = try RecipeText.setting(
      path.split(separator: ".").map(String.init)[...], in: root, defaults: defaults,
      to: Node(text, Tag(.str), .singleQuoted), path: path)
  }

  /// What stands where the text says nothing: a path may lead into it. nil while there is no recipe.
  private var defaults: Node? {
    (try? Yams.compose(yaml: YAMLDecoder().decode(Recipe.self, from: root).yaml))
      .map(RecipeText.unmarked)
  }

  /// The same without marks, which would point into another text than the recipe's.
  private static func unmarked(_ node: Node) -> Node {
    switch node {
    case .scalar(let scalar): Node(scalar.string, .implicit, scalar.style)
    case .mapping(let mapping): Node(mapping.map { (unmarked($0.key), unmarked($0.value)) })
    case .sequence(let sequence): Node(sequence.map(unmarked))
    case .alias: node
    }
  }

  private static func setting(
    _ path: ArraySlice<String>, in node: Node, defaults: Node?, to value: Node, path whole: String
  ) throws -> Node {
    guard let key = path.first else { return value }
    switch node {
    case .mapping(var mapping):
      let standard = defaults?.mapping?[Node(key)]
      let child = mapping[Node(key)] ?? standard ?? Node([(Node, Node)]())
      mapping[Node(key)] = try setting(
        path.dropFirst(), in: child, defaults: standard, to: value, path: whole)
      return .mapping(mapping)
    case .sequence(var sequence):
      guard let index = Int(key), sequence.indices.contains(index) else {
        throw Failure(
          .usage, "--set \(whole): \(key) is not an index of a list of \(sequence.count)")
      }
      let all = defaults?.sequence
      sequence[index] = try setting(
        path.dropFirst(), in: sequence[index],
        defaults: all.flatMap { $0.indices.contains(index) ? $0[index] : nil }, to: value,
        path: whole)
      return .sequence(sequence)
    default:
      throw Failure(.usage, "--set \(whole): there is nothing below the value before \(key)")
    }
  }

  /// The recipe.
  /// - Throws: `Failure(.usage)` naming the key, what was found, what is allowed and the nearest
  ///   right spelling.
  public func recipe() throws -> Recipe {
    let recipe: Recipe
    do {
      recipe = try YAMLDecoder().decode(Recipe.self, from: root)
    } catch let problem as RecipeProblem {
      throw failure(at: problem.path, problem.what)
    } catch let error as DecodingError {
      throw failure(error)
    }
    // Writing names every key that can be; whatever else was there is a mistake.
    try checkKeys(root, against: try Yams.compose(yaml: recipe.yaml)!, path: [])
    do {
      try recipe.checkShapes()
    } catch let problem as RecipeProblem {
      throw failure(at: problem.path, problem.what)
    }
    return recipe
  }

  private func checkKeys(_ found: Node, against known: Node, path: [String]) throws {
    if let found = found.mapping, let known = known.mapping {
      let names = Array(known.keys.compactMap(\.string))
      for (key, value) in found {
        let name = key.string ?? "?"
        guard let expected = known[key] else {
          throw Failure(
            .usage,
            "\(place(key.mark, path + [name])): unknown key; "
              + Spelling.hint(for: name, among: names))
        }
        try checkKeys(value, against: expected, path: path + [name])
      }
    } else if let found = found.sequence, let known = known.sequence {
      for (index, (value, expected)) in zip(found, known).enumerated() {
        try checkKeys(value, against: expected, path: path + [String(index)])
      }
    }
  }

  private func failure(_ error: DecodingError) -> Failure {
    switch error {
    case .keyNotFound(let key, let context):
      let names = Array(node(at: context.codingPath)?.mapping?.keys.compactMap(\.string) ?? [])
      let near = Spelling.nearest(to: key.stringValue, among: names)
      return failure(
        at: context.codingPath + [key],
        "this key is missing" + (near.map { "; \($0) was found" } ?? ""))
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      let found = node(at: context.codingPath).map(RecipeText.shown) ?? "nothing"
      return failure(at: context.codingPath, "\(found) is not \(RecipeText.named(type))")
    case .dataCorrupted(let context):
      return failure(at: context.codingPath, context.debugDescription)
    @unknown default:
      return failure(at: [], "\(error)")
    }
  }

  private func failure(at path: [any CodingKey], _ what: String) -> Failure {
    let names = path.map { $0.intValue.map(String.init) ?? $0.stringValue }
    return Failure(.usage, "\(place(node(at: path)?.mark, names)): \(what)")
  }

  private func place(_ mark: Mark?, _ path: [String]) -> String {
    let line = mark.map { ":\($0.line)" } ?? ""
    return path.isEmpty ? "\(source)\(line)" : "\(source)\(line): \(path.joined(separator: "."))"
  }

  private func node(at path: [any CodingKey]) -> Node? {
    path.reduce(root) { node, key in
      guard let node else { return nil }
      if let index = key.intValue, let sequence = node.sequence {
        return sequence.indices.contains(index) ? sequence[index] : nil
      }
      return node.mapping?[Node(key.stringValue)]
    }
  }

  private static func shown(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "'\(scalar.string)'"
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }

  private static func named(_ type: Any.Type) -> String {
    switch type {
    case is Int.Type: "a whole number"
    case is UInt64.Type: "a whole number from 0 on"
    case is Double.Type: "a number"
    case is Bool.Type: "true or false"
    case is String.Type: "text"
    case is Node.Scalar.Type: "a single value"
    case is Node.Sequence.Type: "a list"
    default: "\(type)".hasPrefix("Array") ? "a list" : "a mapping"
    }
  }

  private static func explanation(_ error: YamlError, _ source: String) -> String {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      "\(source):\(mark.line): \(problem)"
    case .duplicatedKeysInMapping(let duplicates, let context):
      "\(source):\(context.mark.line): \(duplicates.joined(separator: ", ")) stands there twice"
    default: "\(source): \(error)".split(separator: "\n").joined(separator: " ")
    }
  }
}

extension Recipe {
  /// The recipe in YAML, every key in its place; reading it gives an equal recipe.
  public var yaml: String {
    let text: String
    do {
      text = try YAMLEncoder().encode(self)
      return try Yams.serialize(node: Recipe.withShortNumbers(Yams.compose(yaml: text)!))
    } catch {
      fatalError("a recipe could not be written as YAML: \(error)")
    }
  }

  /// 0.1 and not 0.10000000000000001.
  private static func withShortNumbers(_ node: Node) throws -> Node {
    switch node {
    case .scalar(var scalar):
      if node.tag == Tag(.float), let value = Double(scalar.string) { scalar.string = "\(value)" }
      return .scalar(scalar)
    case .mapping(let mapping):
      return Node(try mapping.map { ($0.key, try withShortNumbers($0.value)) })
    case .sequence(let sequence):
      return Node(try sequence.map(withShortNumbers))
    case .alias:
      return node
    }
  }
}
