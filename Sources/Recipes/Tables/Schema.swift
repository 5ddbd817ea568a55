import Foundation

/// The JSON Schema (draft 2020-12) of a recipe, made from the tables that also read and write it.
package enum RecipeSchema {
  /// The schema as JSON.
  package static var json: String {
    var schema: [(String, JSON)] = [
      ("$schema", .text("https://json-schema.org/draft/2020-12/schema")),
      ("title", .text("nndist recipe")),
      (
        "description",
        .text("Everything that decides the bits of a training run; `nndist train FILE.yaml`.")
      ),
    ]
    var definitions = Definitions()
    schema += object(Recipe.table, &definitions, tag: nil)
    schema.append(("$defs", .object(definitions.all)))
    return JSON.object(schema).text(indent: "")
  }

  /// The schema's "$defs": each definition once, also where it refers to itself.
  private struct Definitions {
    var all: [(String, JSON)] = []

    mutating func reference(_ table: VariantTable) -> [(String, JSON)] {
      reference(table.name) { .object(RecipeSchema.variant(table, &$0)) }
    }

    /// Refers to a key that all kinds of a table have.
    mutating func reference(_ field: Field, of table: VariantTable) -> [(String, JSON)] {
      reference("\(table.name).\(field.key)") { RecipeSchema.property(field, &$0) }
    }

    private mutating func reference(_ name: String, _ definition: (inout Definitions) -> JSON)
      -> [(String, JSON)]
    {
      if !all.contains(where: { $0.0 == name }) {
        let index = all.count
        all.append((name, .null))  // known before it is complete: it may refer to itself
        all[index].1 = definition(&self)
      }
      return [("$ref", .text("#/$defs/\(name)"))]
    }
  }

  private static func property(_ field: Field, _ definitions: inout Definitions) -> JSON {
    .object(
      [("description", .text(field.doc))] + type(field.type, &definitions)
        + (field.defaultValue.map { [("default", JSON($0))] } ?? []))
  }

  /// - Parameters:
  ///   - tag: the key that holds the name of the kind, and the kind.
  ///   - shared: the table whose shared keys become references.
  private static func object(
    _ fields: [Field], _ definitions: inout Definitions, tag: (key: String, kind: Kind)?,
    shared: VariantTable? = nil
  ) -> [(String, JSON)] {
    var properties: [(String, JSON)] = []
    if let tag {
      properties.append(
        (tag.key, .object([("const", .text(tag.kind.name)), ("description", .text(tag.kind.doc))])))
    }
    for field in fields {
      let isShared = shared.map { ($0.first + $0.last).contains { $0.key == field.key } } ?? false
      properties.append(
        (
          field.key,
          isShared
            ? .object(definitions.reference(field, of: shared!)) : property(field, &definitions)
        ))
    }
    let required =
      (tag.map { [$0.key] } ?? []) + fields.filter { $0.defaultValue == nil }.map(\.key)
    return [("type", .text("object")), ("properties", .object(properties))]
      + (required.isEmpty ? [] : [("required", .list(required.map(JSON.text)))])
      // The options of a program's own kinds are known only to its code.
      + [("additionalProperties", .flag(tag?.kind.readOptions != nil))]
  }

  private static func variant(_ table: VariantTable, _ definitions: inout Definitions)
    -> [(String, JSON)]
  {
    var forms: [JSON] = []
    if table.allowsNameAlone {
      let names = table.kinds.filter { Arguments(defaultsOf: table.fields(of: $0)) != nil }
      forms.append(
        .object([
          ("description", .text("The name alone, everything else by default.")),
          ("enum", .list(names.map { .text($0.name) })),
        ]))
    }
    func form(_ kind: Kind, tag: String?) {
      forms.append(
        .object(
          [("title", .text(kind.name)), ("description", .text(kind.doc))]
            + object(
              table.fields(of: kind), &definitions, tag: tag.map { ($0, kind) },
              shared: table)))
    }
    if let untagged = table.untagged { form(untagged, tag: nil) }
    for kind in table.kinds { form(kind, tag: table.tag) }
    return [("description", .text(table.doc)), ("oneOf", .list(forms))]
  }

  private static func type(_ type: ValueType, _ definitions: inout Definitions)
    -> [(String, JSON)]
  {
    switch type {
    case .flag: [("type", .text("boolean"))]
    // A number is also allowed, such as the number of a column.
    case .text(let rule):
      [("type", .list([.text("string"), .text("number")]))]
        + (rule.pattern.map { [("pattern", .text($0))] } ?? [])
    case .seed:
      [("type", .text("integer")), ("minimum", .number(0)), ("maximum", .number(0x1p64))]
    case .integer(let range):
      [
        ("type", .text("integer")), ("minimum", .number(Double(range.lowerBound))),
        ("maximum", .number(Double(range.upperBound))),
      ]
    case .number(let range):
      [("type", .text("number"))]
        + (range.minimum.map {
          [(range.includesMinimum ? "minimum" : "exclusiveMinimum", .number($0))]
        }
          ?? [])
        + (range.maximum.map {
          [(range.includesMaximum ? "maximum" : "exclusiveMaximum", .number($0))]
        }
          ?? [])
    case .choice(let names): [("enum", .list(names.map(JSON.text)))]
    case .pair(let minimum):
      [
        (
          "oneOf",
          .list([
            .object(self.type(.integer(minimum...ValueType.maximumCount), &definitions)),
            .object(
              self.type(.list(.integer(minimum...ValueType.maximumCount), count: 2), &definitions)),
          ])
        )
      ]
    case .list(let item, let count):
      [
        ("type", .text("array")), ("items", .object(self.type(item, &definitions))),
        ("minItems", .number(Double(count ?? 1))),
      ] + (count.map { [("maxItems", .number(Double($0)))] } ?? [])
    case .fields(let fields): object(fields, &definitions, tag: nil)
    case .variant(let table): definitions.reference(table())
    case .numbersByName:
      [
        ("type", .text("object")),
        (
          "additionalProperties",
          .object([
            (
              "oneOf",
              .list([
                .object(self.type(.anyNumber, &definitions)),
                .object(self.type(.list(.anyNumber, count: nil), &definitions)),
              ])
            )
          ])
        ),
      ]
    case .optional(let type):
      [
        (
          "anyOf",
          .list([
            .object([("type", .text("null"))]), .object(self.type(type, &definitions)),
          ])
        )
      ]
    }
  }
}

/// JSON whose keys keep their order.
private indirect enum JSON {
  case null
  case flag(Bool)
  case number(Double)
  case text(String)
  case list([JSON])
  case object([(String, JSON)])

  init(_ value: Value) {
    switch value {
    case .null: self = .null
    case .flag(let value): self = .flag(value)
    case .integer(let value): self = .number(Double(value))
    case .seed(let value): self = .number(Double(value))
    case .number(let value): self = .number(value)
    case .text(let value): self = .text(value)
    case .pair(let pair):
      self =
        pair.height == pair.width
        ? .number(Double(pair.height))
        : .list([.number(Double(pair.height)), .number(Double(pair.width))])
    case .list(let values): self = .list(values.map(JSON.init))
    case .fields(let arguments): self = .object(JSON.pairs(arguments))
    case .variant(let variant):
      self = .object(
        (variant.tag.map { [($0, .text(variant.kind))] } ?? []) + JSON.pairs(variant.arguments))
    }
  }

  private static func pairs(_ arguments: Arguments) -> [(String, JSON)] {
    arguments.entries.map { ($0.key, JSON($0.value)) }
  }

  private var isShort: Bool {
    switch self {
    case .list(let items): items.allSatisfy(\.isSingle)
    case .object(let pairs): pairs.count <= 1 && pairs.allSatisfy { $0.1.isSingle }
    default: true
    }
  }

  private var isSingle: Bool {
    switch self {
    case .list, .object: false
    default: true
    }
  }

  func text(indent: String) -> String {
    let inner = indent + "  "
    switch self {
    case .null: return "null"
    case .flag(let value): return value ? "true" : "false"
    case .number(let value):
      return value == value.rounded() && abs(value) < 0x1p53 ? "\(Int(value))" : "\(value)"
    case .text(let text): return JSON.quoted(text)
    case .list(let items):
      if isShort { return "[\(items.map { $0.text(indent: "") }.joined(separator: ", "))]" }
      return "[\n"
        + items.map { inner + $0.text(indent: inner) }.joined(separator: ",\n") + "\n\(indent)]"
    case .object(let pairs):
      let lines = pairs.map { "\(JSON.quoted($0)): \($1.text(indent: isShort ? "" : inner))" }
      if isShort { return "{\(lines.joined(separator: ", "))}" }
      return "{\n" + lines.map { inner + $0 }.joined(separator: ",\n") + "\n\(indent)}"
    }
  }

  private static func quoted(_ text: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return String(decoding: try! encoder.encode(text), as: UTF8.self)
  }
}
