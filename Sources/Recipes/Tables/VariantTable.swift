import Tensors

/// A key of a recipe.
package struct Field: Sendable {
  package let key: String
  package let type: ValueType
  /// What stands where the recipe says nothing; nil: it must say something.
  package let standard: Value?
  /// One line on what it means, with its unit.
  package let doc: String

  init(_ key: String, _ type: ValueType, _ standard: Value?, _ doc: String) {
    self.key = key
    self.type = type
    self.standard = standard
    self.doc = doc
  }

  init(_ key: String, _ type: ValueType, _ doc: String) { self.init(key, type, nil, doc) }

  static func count(_ key: String, _ doc: String) -> Field { Field(key, .count, doc) }
  static func count(_ key: String, _ standard: Int, _ doc: String) -> Field {
    Field(key, .count, .whole(standard), doc)
  }

  static func whole(_ key: String, _ doc: String) -> Field { Field(key, .fromZero, doc) }
  static func whole(_ key: String, _ standard: Int, _ doc: String) -> Field {
    Field(key, .fromZero, .whole(standard), doc)
  }

  static func number(_ key: String, _ doc: String) -> Field { Field(key, .anyNumber, doc) }
  static func number(_ key: String, _ standard: Double, _ doc: String) -> Field {
    Field(key, .anyNumber, .number(standard), doc)
  }
  static func number(_ key: String, _ range: NumberRange, _ doc: String) -> Field {
    Field(key, .number(range), doc)
  }
  static func number(_ key: String, _ range: NumberRange, _ standard: Double, _ doc: String)
    -> Field
  {
    Field(key, .number(range), .number(standard), doc)
  }

  static func flag(_ key: String, _ standard: Bool, _ doc: String) -> Field {
    Field(key, .flag, .flag(standard), doc)
  }

  static func choice(_ key: String, _ names: [String], _ doc: String) -> Field {
    Field(key, .choice(names), doc)
  }
  static func choice(_ key: String, _ names: [String], _ standard: String, _ doc: String) -> Field {
    Field(key, .choice(names), .text(standard), doc)
  }

  static func pair(_ key: String, _ doc: String) -> Field { Field(key, .pair(least: 1), doc) }
  static func pair(_ key: String, least: Int = 1, _ standard: Int, _ doc: String) -> Field {
    Field(key, .pair(least: least), .pair(HeightWidth(standard)), doc)
  }

  /// A value that may be null, which is what stands where nothing is said.
  static func optional(_ key: String, _ type: ValueType, _ doc: String) -> Field {
    Field(key, .optional(type), .null, doc)
  }

  /// A mapping whose keys all have a default.
  static func fields(_ key: String, _ fields: [Field], _ doc: String) -> Field {
    Field(key, .fields(fields), .fields(Arguments(standardsOf: fields)!), doc)
  }
}

extension Arguments {
  /// What stands where the recipe says nothing; nil where it must say something.
  init?(standardsOf fields: [Field]) {
    var pairs: [(String, Value)] = []
    for field in fields {
      guard let standard = field.standard else { return nil }
      pairs.append((field.key, standard))
    }
    self.init(pairs)
  }
}

/// One of the kinds of a table.
package struct Kind: Sendable {
  package let name: String
  package let doc: String
  package let fields: [Field]
  /// What is wrong with arguments that are each allowed: the key, and what and why.
  let mistake: @Sendable (Arguments) -> (key: String, what: String)?

  init(
    _ name: String, _ doc: String, _ fields: [Field] = [],
    mistake: @escaping @Sendable (Arguments) -> (key: String, what: String)? = { _ in nil }
  ) {
    self.name = name
    self.doc = doc
    self.fields = fields
    self.mistake = mistake
  }
}

/// The kinds that a value can be of, each declared once.
package struct VariantTable: Sendable {
  /// What the kinds are kinds of, such as "layer".
  package let name: String
  package let doc: String
  /// The key that says the kind.
  package let tag: String
  package let kinds: [Kind]
  /// The kind of a mapping without the tag.
  package let untagged: Kind?
  /// Keys of all kinds, before and after their own.
  let first: [Field]
  let last: [Field]
  /// Whether the kind's name alone will do, as `loss: mse`.
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
  /// - Precondition: there is such a kind, and it needs no argument.
  func standardVariant(_ name: String) -> Variant {
    let kind = kinds.first { $0.name == name }!
    return Variant(tag: tag, kind: name, arguments: Arguments(standardsOf: fields(of: kind))!)
  }
}
