import Yams

extension Value {
  /// The value as YAML, with all keys in the order of the table. Reading it gives an equal value.
  var node: Node {
    switch self {
    case .null: Node("null", Tag(.null), .plain)
    case .flag(let value): Node(value ? "true" : "false", .implicit, .plain)
    case .integer(let value): Node("\(value)", .implicit, .plain)
    case .seed(let value): Node("\(value)", .implicit, .plain)
    // The fewest digits: 0.1 and not 0.10000000000000001.
    case .number(let value): Node(Value.yaml(value), .implicit, .plain)
    case .text(let text):
      // Quoted where YAML would read another type.
      Node(text, Tag(.str), Node(text).tag == Tag(.str) ? .any : .singleQuoted)
    case .pair(let pair):
      pair.height == pair.width
        ? Value.integer(pair.height).node
        : Node([Value.integer(pair.height).node, Value.integer(pair.width).node])
    case .list(let values): Node(values.map(\.node))
    case .fields(let arguments): Node(Value.pairs(arguments))
    case .variant(let variant):
      Node(
        (variant.tag.map { [(Node($0), Value.text(variant.kind).node)] } ?? [])
          + Value.pairs(variant.arguments))
    }
  }

  /// All values below this one, by dotted path; a list of scalars counts as one value.
  var scalars: [(key: String, value: String)] { Value.scalars(node, []) }

  private static func scalars(_ node: Node, _ path: [String]) -> [(key: String, value: String)] {
    let key = path.joined(separator: ".")
    switch node {
    case .mapping(let mapping):
      return mapping.flatMap { scalars($0.value, path + [$0.key.string ?? ""]) }
    case .sequence(let items) where items.contains { $0.scalar == nil }:
      return items.enumerated().flatMap { scalars($0.element, path + ["\($0.offset)"]) }
    case .sequence(let items):
      return [(key, "[" + items.map { $0.scalar!.string }.joined(separator: ", ") + "]")]
    case .scalar(let scalar): return [(key, scalar.string)]
    case .alias: return []
    }
  }

  private static func pairs(_ arguments: Arguments) -> [(Node, Node)] {
    arguments.entries.map { (Value.text($0.key).node, $0.value.node) }
  }

  private static func yaml(_ number: Double) -> String {
    if number.isNaN { return ".nan" }
    return number.isInfinite ? (number < 0 ? "-.inf" : ".inf") : "\(number)"
  }
}

/// Encodes JSON with the structure of the YAML.
extension Value: Encodable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  package func encode(to encoder: any Encoder) throws {
    func encode(_ tag: (String, String)?, _ arguments: Arguments) throws {
      var fields = encoder.container(keyedBy: Key.self)
      if let (key, kind) = tag { try fields.encode(kind, forKey: Key(stringValue: key)) }
      for entry in arguments.entries {
        try fields.encode(entry.value, forKey: Key(stringValue: entry.key))
      }
    }
    func single(_ value: some Encodable) throws {
      var container = encoder.singleValueContainer()
      try container.encode(value)
    }
    switch self {
    case .null:
      var container = encoder.singleValueContainer()
      try container.encodeNil()
    case .flag(let value): try single(value)
    case .integer(let value): try single(value)
    case .seed(let value): try single(value)
    case .number(let value): try single(value)
    case .text(let value): try single(value)
    case .pair(let pair):
      if pair.height == pair.width {
        try single(pair.height)
      } else {
        try single([pair.height, pair.width])
      }
    case .list(let values): try single(values)
    case .fields(let arguments): try encode(nil, arguments)
    case .variant(let variant):
      try encode(variant.tag.map { ($0, variant.kind) }, variant.arguments)
    }
  }
}
