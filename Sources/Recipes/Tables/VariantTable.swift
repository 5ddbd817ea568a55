import Tensors

/// A key of a recipe.
package struct Field: Sendable {
  package let key: String
  package let type: ValueType
  /// The value of a key that the recipe omits; nil: the key is required.
  package let defaultValue: Value?
  /// The meaning of the key in one line, with its unit.
  package let doc: String

  init(_ key: String, _ type: ValueType, _ defaultValue: Value?, _ doc: String) {
    self.key = key
    self.type = type
    self.defaultValue = defaultValue
    self.doc = doc
  }

  init(_ key: String, _ type: ValueType, _ doc: String) { self.init(key, type, nil, doc) }

  static func count(_ key: String, _ doc: String) -> Field { Field(key, .count, doc) }
  static func count(_ key: String, _ defaultValue: Int, _ doc: String) -> Field {
    Field(key, .count, .integer(defaultValue), doc)
  }

  static func integer(_ key: String, _ doc: String) -> Field { Field(key, .nonNegative, doc) }
  static func integer(_ key: String, _ defaultValue: Int, _ doc: String) -> Field {
    Field(key, .nonNegative, .integer(defaultValue), doc)
  }

  static func number(_ key: String, _ doc: String) -> Field { Field(key, .anyNumber, doc) }
  static func number(_ key: String, _ defaultValue: Double, _ doc: String) -> Field {
    Field(key, .anyNumber, .number(defaultValue), doc)
  }
  static func number(_ key: String, _ range: NumberRange, _ doc: String) -> Field {
    Field(key, .number(range), doc)
  }
  static func number(_ key: String, _ range: NumberRange, _ defaultValue: Double, _ doc: String)
    -> Field
  {
    Field(key, .number(range), .number(defaultValue), doc)
  }

  static func flag(_ key: String, _ defaultValue: Bool, _ doc: String) -> Field {
    Field(key, .flag, .flag(defaultValue), doc)
  }

  static func choice(_ key: String, _ names: [String], _ doc: String) -> Field {
    Field(key, .choice(names), doc)
  }
  static func choice(_ key: String, _ names: [String], _ defaultValue: String, _ doc: String)
    -> Field
  {
    Field(key, .choice(names), .text(defaultValue), doc)
  }

  static func pair(_ key: String, _ doc: String) -> Field { Field(key, .pair(minimum: 1), doc) }
  static func pair(_ key: String, minimum: Int = 1, _ defaultValue: Int, _ doc: String) -> Field {
    Field(key, .pair(minimum: minimum), .pair(HeightWidth(defaultValue)), doc)
  }

  /// A value that may be null, which is also the default.
  static func optional(_ key: String, _ type: ValueType, _ doc: String) -> Field {
    Field(key, .optional(type), .null, doc)
  }

  /// A mapping whose keys all have a default.
  static func fields(_ key: String, _ fields: [Field], _ doc: String) -> Field {
    Field(key, .fields(fields), .fields(Arguments(defaultsOf: fields)!), doc)
  }
}

extension Arguments {
  /// The default values of all fields; nil where a field is required.
  init?(defaultsOf fields: [Field]) {
    var pairs: [(String, Value)] = []
    for field in fields {
      guard let defaultValue = field.defaultValue else { return nil }
      pairs.append((field.key, defaultValue))
    }
    self.init(pairs)
  }
}

/// One of the kinds of a table, such as the layer "Linear".
package struct Kind: Sendable {
  package let name: String
  package let doc: String
  package let fields: [Field]
  /// Checks arguments that are valid one by one: the key at fault and an explanation, or nil.
  let mistake: @Sendable (Arguments) -> (key: String, what: String)?
  /// Reads all its options, which tells the keys that it has; nil: `fields` has them.
  let readOptions: (@Sendable (Options) throws -> Void)?

  init(
    _ name: String, _ doc: String, _ fields: [Field] = [],
    mistake: @escaping @Sendable (Arguments) -> (key: String, what: String)? = { _ in nil }
  ) {
    self.name = name
    self.doc = doc
    self.fields = fields
    self.mistake = mistake
    readOptions = nil
  }

  /// A kind of a program, whose keys are the options that it reads.
  init(
    own name: String, _ doc: String, readOptions: @escaping @Sendable (Options) throws -> Void
  ) {
    self.name = name
    self.doc = doc
    fields = []
    mistake = { _ in nil }
    self.readOptions = readOptions
  }
}

/// The kinds that a value can have, each declared once.
package struct VariantTable: Sendable {
  /// The name for one of the kinds, such as "layer".
  package let name: String
  package let doc: String
  /// The key that holds the name of the kind.
  package let tag: String
  package let kinds: [Kind]
  /// The kind of a mapping that has no tag; nil: the tag is required.
  package let untagged: Kind?
  /// Keys that all kinds have, before and after their own keys.
  let first: [Field]
  let last: [Field]
  /// Whether the name of the kind alone is enough, as in `loss: mse`.
  let allowsNameAlone: Bool

  init(
    _ name: String, _ doc: String, tag: String, kinds: [Kind], untagged: Kind? = nil,
    first: [Field] = [], last: [Field] = [], allowsNameAlone: Bool = false
  ) {
    self.name = name
    self.doc = doc
    self.tag = tag
    self.kinds = kinds
    self.untagged = untagged
    self.first = first
    self.last = last
    self.allowsNameAlone = allowsNameAlone
  }

  package func fields(of kind: Kind) -> [Field] { first + kind.fields + last }

  /// The kind with all its defaults.
  /// - Precondition: the table has the kind, and no argument of it is required.
  func defaultVariant(_ name: String) -> Variant {
    let kind = kinds.first { $0.name == name }!
    return Variant(tag: tag, kind: name, arguments: Arguments(defaultsOf: fields(of: kind))!)
  }
}
