import System
import Yams

/// A recipe as YAML: read strictly, so that errors name the line; written in full.
package struct RecipeText {
  private var root: Node
  /// The file's name, or the built-in recipe's.
  private let source: String

  fileprivate init(root: Node, source: String) {
    self.root = root
    self.source = source
  }

  /// - Throws: `Failure(.usage)` with the line, where the text is not YAML or a key occurs twice.
  package init(_ yaml: String, source: String) throws {
    self.source = source
    do {
      guard let node = try YAMLText.compose(yaml), node.mapping != nil else {
        throw Failure(
          .usage, "\(source): a recipe is a mapping of keys to values",
          remedy: "`nndist recipes fashion-mnist` prints one to start from")
      }
      root = node
    } catch let error as YamlError {
      throw Failure(.usage, RecipeText.explanation(error, source))
    } catch let excess as YAMLText.Excess {
      throw Failure(
        .usage, "\(source):\(excess.line): \(excess.what)",
        remedy: "check that it is the file that was meant")
    }
  }

  /// Sets the value at a dotted path, such as "optimizer.lr" or "model.layers.1.out_features", from
  /// YAML text.
  package mutating func set(_ path: String, to text: String) throws {
    let value: Node
    do {
      value = try YAMLText.compose(text) ?? Node("null", .implicit, .plain)
    } catch {
      throw Failure(.usage, "--set \(path): \(text) is not a YAML value")
    }
    root = try RecipeText.setting(
      path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)[...],
      in: root, defaults: defaults, to: RecipeText.unmarked(value), path: path)
  }

  /// Sets the value at a dotted path to a text, which is not read as YAML.
  package mutating func set(_ path: String, toText text: String) throws {
    root = try RecipeText.setting(
      path.split(separator: ".").map(String.init)[...], in: root, defaults: defaults,
      to: Node(text, Tag(.str), .singleQuoted), path: path)
  }

  /// The recipe with its default values: a path may lead into them. nil where the text is no valid
  /// recipe yet.
  private var defaults: Node? {
    root.mapping.flatMap { try? Value.fields(Reader.fields($0, Recipe.table, [])).node }
  }

  /// The node without marks, which would give lines of a text that is not the recipe's.
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
      let defaultValue = defaults?.mapping?[Node(key)]
      let child = mapping[Node(key)] ?? startingValue(defaultValue)
      mapping[Node(key)] = try setting(
        path.dropFirst(), in: child, defaults: defaultValue, to: value, path: whole)
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
    case .scalar where Reader.isNull(node) || defaults?.mapping != nil:
      // No value, or the name of a kind alone, as in `loss: mse`.
      return try setting(
        path, in: startingValue(defaults), defaults: defaults, to: value, path: whole)
    default:
      throw Failure(.usage, "--set \(whole): there is nothing below the value before \(key)")
    }
  }

  /// The value that a path into a default starts from. For a mapping: its first key, which holds
  /// the kind where there are kinds. The other keys have their defaults, and another kind would
  /// have other keys.
  private static func startingValue(_ defaults: Node?) -> Node {
    guard let defaults, !Reader.isNull(defaults) else { return Node([(Node, Node)]()) }
    guard let mapping = defaults.mapping else { return defaults }
    return Node(mapping.prefix(1).map { ($0.key, $0.value) })
  }

  /// Reads and checks the recipe.
  /// - Throws: `Failure(.usage)` naming the key, the value found, the values allowed and the
  ///   nearest correct spelling.
  package func recipe() throws -> Recipe {
    do {
      var recipe = Recipe(fields: try Reader.fields(root.mapping!, Recipe.table, []))
      recipe.lines = RecipeLines(root, source: source)
      try recipe.check()
      return recipe
    } catch let problem as RecipeProblem {
      throw RecipeLines(root, source: source).failure(problem)
    }
  }

  /// Sets the path of the data, as --data does.
  /// - Throws: `Failure(.usage)` for data that are computed and have no path.
  package mutating func setDataPath(_ path: String) throws {
    let dataset = root.mapping?["data"]?.mapping?["dataset"]?.string ?? ""
    if DatasetKind.generators.contains(where: { $0.kind.name == dataset }) {
      throw Failure(
        .usage, "\(source) makes its data (\(dataset)): there is no folder to name",
        remedy: "leave --data away")
    }
    try set("data.path", toText: path)
  }

  private static func explanation(_ error: YamlError, _ source: String) -> String {
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      "\(source):\(mark.line): "
        + (context.map { "\($0.text) (line \($0.mark.line)), " } ?? "") + problem
    case .reader(let problem, let offset, _, let yaml):
      "\(source):\(yaml.utf8.prefix(offset ?? 0).count { $0 == UInt8(ascii: "\n") } + 1): \(problem)"
    case .duplicatedKeysInMapping(let duplicates, let context):
      "\(source):\(context.mark.line): \(duplicates.joined(separator: ", ")) stands there twice"
    default: "\(source): \(error)".split(separator: "\n").joined(separator: " ")
    }
  }
}

extension Recipe {
  /// The recipe in YAML, with all keys in the order of the table. Reading it gives an equal recipe.
  package var yaml: String {
    do {
      return try Yams.serialize(node: Value.fields(fields).node)
    } catch {
      fatalError("a recipe could not be written as YAML: \(error)")
    }
  }
}

/// The structure of the YAML in the format of the coder, such as JSON.
extension Recipe: Codable {
  package func encode(to encoder: any Encoder) throws {
    try Value.fields(fields).encode(to: encoder)
  }

  /// - Throws: `Failure(.usage)`, as reading YAML does.
  public init(from decoder: any Decoder) throws {
    let node = try RawValue(from: decoder).node
    guard node.mapping != nil else {
      throw Failure(.usage, "a recipe is a mapping of keys to values")
    }
    self = try RecipeText(root: node, source: "recipe").recipe()
  }
}

extension RecipeText {
  /// Applies `--set KEY=VALUE` options in their order.
  package mutating func apply(settings: [String]) throws {
    for setting in settings {
      let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw Failure(.usage, "--set \(setting) has no value; write --set KEY=VALUE")
      }
      try set(String(parts[0]), to: String(parts[1]))
    }
  }
}
